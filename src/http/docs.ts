import { promisify } from "node:util";
import { gzip } from "node:zlib";
import icon from "swagger-ui-dist/favicon-32x32.png" with { type: "file" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import init from "./docs/init.js" with { type: "file" };

const FILES = {
  icon: { path: icon, suffix: "png", type: "image/png" },
  style: { path: style, suffix: "css", type: "text/css; charset=utf-8" },
  script: { path: script, suffix: "js", type: "text/javascript; charset=utf-8" },
  init: { path: init, suffix: "js", type: "text/javascript; charset=utf-8" },
} as const;
type Name = keyof typeof FILES;

type Asset = {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly etag: string;
};
type Docs = { readonly page: Asset; readonly assets: ReadonlyMap<string, Asset> };

// An asset's address holds the hash of its bytes; the page's does not.
const ASSET_CACHE = "public, max-age=31536000, immutable";
const PAGE_CACHE = "no-cache";

// Swagger UI's pictures are data: addresses in its style sheet; it needs nothing inline.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

let loading: Promise<Docs> | undefined;

/** Swagger UI at `/docs` and its files below; null for what is not there. They are read at the first request. */
export async function serveDocs(path: string, request: Request): Promise<Response | null> {
  if (request.method !== "GET" && request.method !== "HEAD") return null;
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  const { page, assets } = await loading;
  if (path === "/docs") return serve(page, PAGE_CACHE, request);
  const asset = assets.get(path);
  return asset === undefined ? null : serve(asset, ASSET_CACHE, request);
}

function serve(asset: Asset, cache: string, request: Request): Response {
  const zipped = takesGzip(request.headers.get("Accept-Encoding") ?? "");
  // Other bytes, another tag.
  const etag = zipped ? `"${asset.etag}-gzip"` : `"${asset.etag}"`;
  const headers = {
    "Cache-Control": cache,
    "Content-Security-Policy": POLICY,
    ETag: etag,
    "Referrer-Policy": "no-referrer",
    Vary: "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
  };
  if (isKnown(request.headers.get("If-None-Match") ?? "", etag)) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(zipped ? asset.gzipped : asset.bytes, {
    headers: { ...headers, "Content-Type": asset.type, ...(zipped ? { "Content-Encoding": "gzip" } : {}) },
  });
}

const takesGzip = (accepted: string): boolean =>
  accepted.split(",").some((coding) => /^\s*(x-)?gzip\s*(;\s*q=(1|0?\.\d*[1-9]).*)?$/i.test(coding));

const isKnown = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch.split(",").some((known) => ["*", etag].includes(known.trim().replace(/^W\//, "")));

async function load(): Promise<Docs> {
  const assets = new Map<string, Asset>();
  async function added(name: Name): Promise<string> {
    const { path, suffix, type } = FILES[name];
    const asset = await assetOf(await Bun.file(path).bytes(), type);
    const address = `/docs/${name}-${asset.etag}.${suffix}`;
    assets.set(address, asset);
    return address;
  }
  const [icon, style, script, init] = await Promise.all([
    added("icon"),
    added("style"),
    added("script"),
    added("init"),
  ]);
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guildhall API</title>
<link rel="icon" type="image/png" href="${icon}">
<link rel="stylesheet" href="${style}">
<script src="${script}" defer></script>
<script src="${init}" defer></script>
</head>
<body>
<div id="swagger-ui"></div>
<noscript><p>This page needs JavaScript. The same as a document: <a href="/openapi.json">/openapi.json</a></p></noscript>
</body>
</html>
`;
  return { page: await assetOf(new TextEncoder().encode(html), "text/html; charset=utf-8"), assets };
}

// Not Bun.gzipSync: Swagger UI's script would hold up every other request for some 30 ms.
const zip = promisify(gzip);

const HASH_CHARACTERS = 16;

async function assetOf(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<Asset> {
  const hash = new Bun.CryptoHasher("sha256").update(bytes).digest("hex").slice(0, HASH_CHARACTERS);
  const zipped = await zip(bytes);
  return { type, bytes, gzipped: new Uint8Array(zipped), etag: hash };
}
