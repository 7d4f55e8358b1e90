import { DomainError } from "../errors.ts";
import { JPEG_MAGIC, parseJpeg } from "./jpeg.ts";
import { PNG_MAGIC, parsePng } from "./png.ts";
import { isWebp, parseWebp } from "./webp.ts";

/** What a format's reader finds: the size in pixels, and the parts of the file that make the picture. */
export type Parsed = {
  readonly width: number;
  readonly height: number;
  readonly kept: readonly Uint8Array[];
};

export const CONTENT_TYPES = { png: "image/png", jpg: "image/jpeg", webp: "image/webp" } as const;
export type Extension = keyof typeof CONTENT_TYPES;

export type Picture = {
  readonly extension: Extension;
  /** The picture alone: without metadata, and without whatever followed its end. */
  readonly bytes: Uint8Array;
};

// 4,096 × 4,096 × 4 bytes: 64 MiB once a browser has decoded it.
const MAX_SIDE_PIXELS = 4_096;

/** What the bytes are, by their content alone. Throws `pictureInvalid` unless they are one whole PNG, JPEG or WebP. */
export function readPicture(bytes: Uint8Array): Picture {
  const extension = formatOf(bytes);
  if (extension === null) throw invalid("The picture must be a PNG, JPEG or WebP file.");
  const parsed = PARSERS[extension](bytes);
  if (parsed === null) throw invalid("The picture is damaged or incomplete.");
  const { width, height, kept } = parsed;
  if (width < 1 || height < 1 || width > MAX_SIDE_PIXELS || height > MAX_SIDE_PIXELS) {
    throw invalid(`The picture must have 1 to ${MAX_SIDE_PIXELS} pixels each way.`);
  }
  return { extension, bytes: Buffer.concat(kept) };
}

const PARSERS = { png: parsePng, jpg: parseJpeg, webp: parseWebp } as const satisfies Record<
  Extension,
  (bytes: Uint8Array) => Parsed | null
>;

function formatOf(bytes: Uint8Array): Extension | null {
  const beginsWith = (magic: readonly number[]) => magic.every((byte, index) => bytes[index] === byte);
  if (beginsWith(PNG_MAGIC)) return "png";
  if (beginsWith(JPEG_MAGIC)) return "jpg";
  return isWebp(bytes) ? "webp" : null;
}

const invalid = (message: string) => new DomainError("pictureInvalid", message, { field: "avatar" });
