import type { Parsed } from "./picture.ts";

export const PNG_MAGIC = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

// What the look of the picture depends on; text, EXIF (with the place where it was taken) and the like are not.
const KEPT = new Set(
  "IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP bKGD pHYs acTL fcTL fdAT".split(" "),
);
const OVERHEAD_BYTES = 12;

/** Walks the chunks, checksums included, up to IEND. Null: truncated or malformed. */
export function parsePng(bytes: Uint8Array): Parsed | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept = [bytes.subarray(0, PNG_MAGIC.length)];
  let size: { readonly width: number; readonly height: number } | null = null;
  let hasPixels = false;
  for (let at = PNG_MAGIC.length; at + OVERHEAD_BYTES <= bytes.length; ) {
    const length = view.getUint32(at);
    const end = at + OVERHEAD_BYTES + length;
    if (end > bytes.length || Bun.hash.crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
      return null;
    }
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if ((size === null) !== (type === "IHDR")) return null;
    if (type === "IHDR") {
      if (length !== 13) return null;
      size = { width: view.getUint32(at + 8), height: view.getUint32(at + 12) };
    }
    if (KEPT.has(type)) kept.push(bytes.subarray(at, end));
    else if (isCritical(type)) return null;
    if (type === "IDAT" && length > 0) hasPixels = true;
    if (type === "IEND") return size !== null && hasPixels && length === 0 ? { ...size, kept } : null;
    at = end;
  }
  return null;
}

/** A decoder must know it, says its first letter. */
const isCritical = (type: string): boolean => !/^[a-z]/.test(type);
