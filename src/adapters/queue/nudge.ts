/** The whole body of a message. A version that we do not know is malformed to us. */
export const NUDGE = Buffer.from('{"v":1}');

const MAX_BYTES = 64;

/** True for `{"v":1}`, however it is spaced. */
export function isNudge(content: Buffer): boolean {
  if (content.length > MAX_BYTES) return false;
  try {
    return JSON.stringify(JSON.parse(content.toString("utf8"))) === NUDGE.toString();
  } catch {
    return false;
  }
}
