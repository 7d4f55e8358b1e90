import { promisify } from "node:util";
import { gzip } from "node:zlib";
import icon from "swagger-ui-dist/favicon-32x32.png" with { type: "file" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import { type Asset, CHECKED_CACHE, HASHED_CACHE, hashOf, serveAsset } from "./assets.ts";
import init from "./docs/init.js" with { type: "file" };

const FILES = {
  icon: { path: icon, suffix: "png", type: "image/png" },
  style: { path: style, suffix: "css", type: "text/css; charset=utf-8" },
  script: { path: script, suffix: "js", type: "text/javascript; charset=utf-8" },
  init: { path: init, suffix: "js", type: "text/javascript; charset=utf-8" },
} as const;
type Name = keyof typeof FILES;

type Docs = { readonly page: Asset; readonly assets: ReadonlyMap<string, Asset> };

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
  if (path === "/docs") return serveAsset(page, { cache: CHECKED_CACHE, policy: POLICY }, request);
  const asset = assets.get(path);
  return asset === undefined ? null : serveAsset(asset, { cache: HASHED_CACHE, policy: POLICY }, request);
}

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

async function assetOf(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<Asset> {
  const zipped = await zip(bytes);
  return { type, bytes, gzipped: new Uint8Array(zipped), etag: hashOf(bytes) };
}
