const KEY = /^[a-z0-9-]{1,100}\.[a-z]{1,10}$/;

/** True for a flat name that cannot leave the store: no slash, no dot but the one of the extension. */
export const isDocumentKey = (key: string): boolean => KEY.test(key);

/** Throws on a key that our ids cannot have made. */
export function assertDocumentKey(key: string): void {
  if (!isDocumentKey(key)) throw new TypeError("a document key is a name such as stats-1.pdf");
}
