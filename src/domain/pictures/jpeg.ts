import type { Parsed } from "./picture.ts";

export const JPEG_MAGIC = [0xff, 0xd8, 0xff];

const END_OF_IMAGE = 0xd9;
const START_OF_SCAN = 0xda;
const APP0 = 0xe0;
const APP1 = 0xe1;
const APP2 = 0xe2;
const APP14 = 0xee;
const APP15 = 0xef;
const COMMENT = 0xfe;

/** Walks the segments up to the end of the image. Null: truncated or malformed. */
export function parseJpeg(bytes: Uint8Array): Parsed | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept = [bytes.subarray(0, 2)];
  let size: { readonly width: number; readonly height: number } | null = null;
  let hasPixels = false;
  let at = 2;
  while (bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === END_OF_IMAGE) {
      kept.push(bytes.subarray(at, at + 2));
      return size !== null && hasPixels ? { ...size, kept } : null;
    }
    if (marker === undefined || marker < 0xc0 || isStandalone(marker) || at + 4 > bytes.length) return null;
    const length = view.getUint16(at + 2);
    let end = at + 2 + length;
    if (length < 2 || end > bytes.length) return null;
    if (isFrame(marker)) {
      if (size !== null || length < 8) return null;
      size = { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    }
    if (marker === START_OF_SCAN) {
      if (size === null) return null;
      hasPixels = true;
      end = endOfScan(bytes, end);
    }
    kept.push(keptOf(marker, bytes.subarray(at, end)));
    at = end;
  }
  return null;
}

/** Restarts, another start of image: they have no length and no place between segments. */
const isStandalone = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd8;

/** Start of frame, of any coding: C0 to CF but the tables among them. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** Where the next marker stands that is neither a stuffed FF nor a restart; the end of the bytes if none does. */
function endOfScan(bytes: Uint8Array, start: number): number {
  let at = bytes.indexOf(0xff, start);
  while (at !== -1) {
    const next = bytes[at + 1];
    if (next !== 0x00 && next !== 0xff && !(next !== undefined && next >= 0xd0 && next <= 0xd7)) return at;
    at = bytes.indexOf(0xff, at + (next === 0xff ? 1 : 2));
  }
  return bytes.length;
}

/** Of what applications and comments add only colours and the way up stay: EXIF tells where one lives. */
function keptOf(marker: number, segment: Uint8Array): Uint8Array {
  if (marker === APP1) {
    const orientation = orientationOf(segment);
    return orientation === null ? new Uint8Array() : orientationSegment(orientation);
  }
  if (marker === APP2) return startsWith(segment, 4, "ICC_PROFILE\0") ? segment : new Uint8Array();
  const isExtra = (marker > APP2 && marker <= APP15 && marker !== APP14) || marker === COMMENT;
  return isExtra && marker !== APP0 ? new Uint8Array() : segment;
}

const TIFF_START = 10;
const ORIENTATION_TAG = 0x0112;

/** EXIF's number from 2 to 8 of how the picture is turned; null where it is upright or nothing says. */
function orientationOf(segment: Uint8Array): number | null {
  if (!startsWith(segment, 4, "Exif\0\0") || segment.length < TIFF_START + 8) return null;
  const tiff = new DataView(segment.buffer, segment.byteOffset + TIFF_START, segment.length - TIFF_START);
  const littleEndian = tiff.getUint16(0) === 0x4949;
  const directory = tiff.getUint32(4, littleEndian);
  if (directory + 2 > tiff.byteLength) return null;
  const entries = tiff.getUint16(directory, littleEndian);
  for (let index = 0; index < entries; index++) {
    const at = directory + 2 + index * 12;
    if (at + 12 > tiff.byteLength) return null;
    if (tiff.getUint16(at, littleEndian) !== ORIENTATION_TAG) continue;
    const orientation = tiff.getUint16(at + 8, littleEndian);
    return orientation >= 2 && orientation <= 8 ? orientation : null;
  }
  return null;
}

/** An APP1 segment whose one EXIF entry is the orientation. */
const orientationSegment = (orientation: number): Uint8Array =>
  Uint8Array.from([
    ...[0xff, APP1, 0, 34, ...Buffer.from("Exif\0\0MM\0*", "latin1")],
    ...[0, 0, 0, 8, 0, 1],
    ...[ORIENTATION_TAG >> 8, ORIENTATION_TAG & 0xff, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0],
    ...[0, 0, 0, 0],
  ]);

const startsWith = (bytes: Uint8Array, at: number, text: string): boolean =>
  Buffer.from(bytes.subarray(at, at + text.length)).toString("latin1") === text;
