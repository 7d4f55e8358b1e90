import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { hashOf } from "../assets.ts";

export type PackedFile = {
  readonly path: string;
  readonly type: string;
  readonly etag: string;
  /** Both in base64; what they are made of is not packed again. */
  readonly gzipped: string;
  readonly brotli: string;
};

/** The browser app, ready to be sent. The first file is the page. */
export type Pack = readonly PackedFile[];

/** The name of the pack's file inside the executable begins so. */
export const PACK_NAME = "web-app";

const WEB = join(import.meta.dir, "../../web");
const TYPES = { js: "text/javascript", css: "text/css", svg: "image/svg+xml" } as const;
const QUALITY = { best: constants.BROTLI_MAX_QUALITY, fast: 5 } as const;

/** Bundles and compresses the browser app; needs its source. `best` takes a second longer than `fast`. */
export async function makePack(quality: keyof typeof QUALITY): Promise<Pack> {
  const { outputs, metafile } = await Bun.build({
    entrypoints: [join(WEB, "main.tsx"), join(WEB, "style.css")],
    target: "browser",
    minify: true,
    splitting: true,
    naming: "[name]-[hash].[ext]",
    metafile: true,
  });
  const built = await Promise.all(
    outputs.map(async (output) => {
      const bytes = new Uint8Array(await output.arrayBuffer());
      return { path: `/assets/${output.path.replace(/^.*\//, "")}`, bytes };
    }),
  );
  const icon = await Bun.file(join(WEB, "icon.svg")).bytes();
  const files = [...built, { path: `/assets/icon-${hashOf(icon)}.svg`, bytes: icon }];
  function named(name: RegExp): string {
    const file = files.find(({ path }) => name.test(path));
    if (file === undefined) throw new Error(`the browser app has no file like ${name}`);
    return file.path;
  }
  const script = named(/\/main-\w+\.js$/);
  const needed = Object.entries(metafile?.outputs ?? {})
    .filter(([name]) => name.endsWith(script.replace("/assets/", "/")))
    .flatMap(([, { imports }]) => imports.filter(({ kind }) => kind === "import-statement"))
    .map(({ path }) => path.replace(/^\./, "/assets"));
  const page = pageOf(script, needed, named(/\/style-\w+\.css$/), named(/\/icon-\w+\.svg$/));
  return Promise.all([
    packed("/", "text/html; charset=utf-8", new TextEncoder().encode(page), quality),
    ...files.map(({ path, bytes }) => packed(path, typeOf(path), bytes, quality)),
  ]);
}

/**
 * `needed` is what the script imports at once: known here, it is not first found by reading the script. Nothing is
 * painted before the script, which fills the page and sets its colours.
 */
const pageOf = (script: string, needed: readonly string[], style: string, icon: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
<meta name="color-scheme" content="light dark">
<title>Guildhall</title>
<link rel="icon" type="image/svg+xml" href="${icon}">
<link rel="stylesheet" href="${style}">
${needed.map((path) => `<link rel="modulepreload" href="${path}">\n`).join("")}<script type="module" blocking="render" src="${script}"></script>
</head>
<body>
<div id="app"></div>
<noscript><p>Guildhall's pages need JavaScript. <a href="/docs">Its APIs</a> do not.</p></noscript>
</body>
</html>
`;

function typeOf(path: string): string {
  const suffix = /\.(js|css|svg)$/.exec(path)?.[1] as keyof typeof TYPES | undefined;
  return `${suffix === undefined ? "application/octet-stream" : TYPES[suffix]}; charset=utf-8`;
}

const zip = promisify(gzip);
const squeeze = promisify(brotliCompress);

async function packed(
  path: string,
  type: string,
  bytes: Uint8Array,
  quality: keyof typeof QUALITY,
): Promise<PackedFile> {
  const [gzipped, brotli] = await Promise.all([
    zip(bytes),
    squeeze(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: QUALITY[quality],
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  ]);
  return {
    path,
    type,
    etag: hashOf(bytes),
    gzipped: gzipped.toString("base64"),
    brotli: brotli.toString("base64"),
  };
}
