import type { Parsed } from "./picture.ts";

type Size = { readonly width: number; readonly height: number };

const HEADER_BYTES = 12;
const KEPT = new Set(["VP8X", "ICCP", "ANIM", "ANMF", "ALPH", "VP8 ", "VP8L"]);
const EXIF_AND_XMP_FLAGS = 0b1100;

export const isWebp = (bytes: Uint8Array): boolean =>
  nameAt(bytes, 0) === "RIFF" && nameAt(bytes, 8) === "WEBP";

/** Walks the chunks of the container, without EXIF and XMP. Null: truncated or malformed. */
export function parseWebp(bytes: Uint8Array): Parsed | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const limit = 8 + view.getUint32(4, true);
  if (limit > bytes.length) return null;
  const chunks: Uint8Array[] = [];
  let canvas: Size | null = null;
  let hasPixels = false;
  for (let at = HEADER_BYTES; at < limit; ) {
    if (at + 8 > limit) return null;
    const name = nameAt(bytes, at);
    const length = view.getUint32(at + 4, true);
    const end = at + 8 + length + (length % 2);
    if (end > limit) return null;
    const data = bytes.subarray(at + 8, at + 8 + length);
    const size = sizeOf(name, data);
    if (canvas === null) {
      // The first chunk says how large the whole is; a picture in it may not say otherwise.
      if (size === null || name === "ANMF") return null;
      canvas = size;
    } else if (name === "VP8X") {
      return null;
    } else if (name === "VP8 " || name === "VP8L") {
      if (size?.width !== canvas.width || size.height !== canvas.height) return null;
    } else if (name === "ANMF") {
      if (size === null || size.width > canvas.width || size.height > canvas.height) return null;
    }
    if (name === "VP8 " || name === "VP8L" || name === "ANMF") hasPixels = true;
    if (KEPT.has(name))
      chunks.push(name === "VP8X" ? withoutFlags(bytes.slice(at, end)) : bytes.subarray(at, end));
    at = end;
  }
  return canvas !== null && hasPixels ? { ...canvas, kept: [header(chunks), ...chunks] } : null;
}

/** What a chunk says of its picture's size; of a frame, how far it reaches. Null: nothing, or nothing valid. */
function sizeOf(name: string, data: Uint8Array): Size | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const uint24 = (at: number) => view.getUint16(at, true) + view.getUint8(at + 2) * 0x1_0000;
  switch (name) {
    case "VP8 ": {
      // A key frame and its start code.
      if (data.length < 10 || view.getUint8(0) % 2 !== 0 || view.getUint32(2) % 0x100_0000 !== 0x9d012a) {
        return null;
      }
      return { width: view.getUint16(6, true) & 0x3fff, height: view.getUint16(8, true) & 0x3fff };
    }
    case "VP8L": {
      if (data.length < 5 || view.getUint8(0) !== 0x2f) return null;
      const packed = view.getUint32(1, true);
      // 14 bits each, then one for transparency and three for a version that is zero.
      if (packed >>> 29 !== 0) return null;
      return { width: 1 + (packed & 0x3fff), height: 1 + ((packed >>> 14) & 0x3fff) };
    }
    case "VP8X":
      return data.length < 10 ? null : { width: 1 + uint24(4), height: 1 + uint24(7) };
    case "ANMF":
      return data.length < 16
        ? null
        : { width: 2 * uint24(0) + 1 + uint24(6), height: 2 * uint24(3) + 1 + uint24(9) };
    default:
      return null;
  }
}

function withoutFlags(extended: Uint8Array): Uint8Array {
  extended[8] = (extended[8] ?? 0) & ~EXIF_AND_XMP_FLAGS;
  return extended;
}

function header(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.from("RIFF\0\0\0\0WEBP", "latin1");
  bytes.writeUInt32LE(
    chunks.reduce((sum, chunk) => sum + chunk.length, 4),
    4,
  );
  return bytes;
}

const nameAt = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
