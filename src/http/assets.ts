/** A file that is sent as it is, in the codings that were made of it beforehand. */
export type Asset = {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly brotli?: Uint8Array<ArrayBuffer>;
  readonly etag: string;
};

export type AssetHeaders = { readonly cache: string; readonly policy: string };

/** An address that holds the hash of its bytes. */
export const HASHED_CACHE = "public, max-age=31536000, immutable";
/** Asked for again each time. */
export const CHECKED_CACHE = "no-cache";

const HASH_CHARACTERS = 16;

export const hashOf = (bytes: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex").slice(0, HASH_CHARACTERS);

/** The asset in the shortest coding that the client takes; 304 for what it has. */
export function serveAsset(asset: Asset, { cache, policy }: AssetHeaders, request: Request): Response {
  const [coding, bytes] = chosen(asset, request.headers.get("Accept-Encoding") ?? "");
  // Other bytes, another tag.
  const etag = coding === null ? `"${asset.etag}"` : `"${asset.etag}-${coding}"`;
  const headers = {
    "Cache-Control": cache,
    "Content-Security-Policy": policy,
    ETag: etag,
    "Referrer-Policy": "no-referrer",
    Vary: "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
  };
  if (isKnown(request.headers.get("If-None-Match") ?? "", etag)) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(bytes, {
    headers: {
      ...headers,
      "Content-Type": asset.type,
      ...(coding === null ? {} : { "Content-Encoding": coding }),
    },
  });
}

function chosen(asset: Asset, accepted: string): [coding: string | null, bytes: Uint8Array<ArrayBuffer>] {
  if (asset.brotli !== undefined && takes(accepted, /^br$/i)) return ["br", asset.brotli];
  return takes(accepted, /^(x-)?gzip$/i) ? ["gzip", asset.gzipped] : [null, asset.bytes];
}

const takes = (accepted: string, name: RegExp): boolean =>
  accepted.split(",").some((coding) => {
    const [, given = "", weight] = /^\s*([\w-]+)\s*(?:;\s*q=([\d.]+).*)?$/i.exec(coding) ?? [];
    return name.test(given) && (weight === undefined || Number(weight) > 0);
  });

const isKnown = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch.split(",").some((known) => ["*", etag].includes(known.trim().replace(/^W\//, "")));
