import { type Asset, CHECKED_CACHE, HASHED_CACHE, serveAsset } from "./assets.ts";
import type { Pack } from "./pages/bundle.ts";

type App = { readonly page: Asset; readonly assets: ReadonlyMap<string, Asset> };

// Their addresses may hold a secret, and a cache keeps addresses.
const SECRET = /^\/(login|reset-password|verify-email)\/?$/;

let loading: Promise<App> | undefined;

/** The browser app: any of its pages, or a file below `/assets/`; null for a file that is not there. */
export async function servePage(path: string, publicUrl: string, request: Request): Promise<Response | null> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  const { page, assets } = await loading;
  const policy = policyOf(publicUrl);
  if (!path.startsWith("/assets/")) {
    return serveAsset(page, { cache: SECRET.test(path) ? "no-store" : CHECKED_CACHE, policy }, request);
  }
  const asset = assets.get(path);
  return asset === undefined ? null : serveAsset(asset, { cache: HASHED_CACHE, policy }, request);
}

// Pictures of other hosts are not shown: loading one tells its host who reads what. The frame is for documents,
// which the app fetches with its token and shows from memory.
const policyOf = (publicUrl: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    // Not every browser counts sockets of the same host among 'self'.
    `connect-src 'self' ${new URL(publicUrl).origin.replace(/^http/, "ws")}`,
    "frame-src blob:",
    "base-uri 'none'",
    // Forms are read by the app: one that the browser sent itself would put a password into an address.
    "form-action 'none'",
    "frame-ancestors 'none'",
    // No text becomes HTML or a script but through the sanitiser.
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",
  ].join("; ");

/** From the executable, where it was put when that was built; else made now, of its source. */
async function load(): Promise<App> {
  const { PACK_NAME, makePack } = await import("./pages/bundle.ts");
  const embedded = Bun.embeddedFiles.find(
    (file) => "name" in file && String(file.name).startsWith(PACK_NAME),
  );
  const pack = embedded === undefined ? await makePack("fast") : packIn(await embedded.text());
  const [page, ...files] = pack.map((file) => {
    const gzipped = Uint8Array.fromBase64(file.gzipped);
    const asset: Asset = {
      type: file.type,
      bytes: Bun.gunzipSync(gzipped),
      gzipped,
      brotli: Uint8Array.fromBase64(file.brotli),
      etag: file.etag,
    };
    return [file.path, asset] as const;
  });
  if (page === undefined) throw new Error("the browser app has no page");
  return { page: page[1], assets: new Map(files) };
}

// It was written by scripts/build.ts, with the types of this very program.
const packIn = (text: string) => JSON.parse(text) as Pack;
