const HEAD_END = Buffer.from("\r\n\r\n");
const LENGTH = /\r\ncontent-length:[ \t]*(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding:[^\r]*chunked/i;
const NO_BODY = new Set([204, 304]);

/**
 * Splits what a connection receives into responses and calls `onResponse` with each that is
 * complete. Knows Content-Length and chunked bodies; throws for anything else.
 */
export function responseReader(
  onResponse: (status: number, response: Buffer) => void,
): (received: Buffer) => void {
  let kept: Buffer | null = null;

  return function read(received) {
    let bytes = kept === null ? received : Buffer.concat([kept, received]);
    kept = null;
    while (bytes.length > 0) {
      const end = endOfResponse(bytes);
      if (end === null) {
        // The socket's buffer is used again after this call.
        kept = Buffer.from(bytes);
        return;
      }
      const status = Number(bytes.toString("latin1", 9, 12));
      const response = bytes.subarray(0, end);
      bytes = bytes.subarray(end);
      onResponse(status, response);
    }
  };
}

/** Null while some of it is missing. */
function endOfResponse(bytes: Buffer): number | null {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return null;
  const head = bytes.toString("latin1", 0, headEnd);
  const bodyStart = headEnd + HEAD_END.length;
  const length = LENGTH.exec(head)?.[1];
  if (length !== undefined) {
    const end = bodyStart + Number(length);
    return end <= bytes.length ? end : null;
  }
  if (CHUNKED.test(head)) return endOfChunks(bytes, bodyStart);
  if (NO_BODY.has(Number(head.slice(9, 12)))) return bodyStart;
  throw new Error(`a response of unknown length: ${head.slice(0, 200)}`);
}

function endOfChunks(bytes: Buffer, start: number): number | null {
  let position = start;
  while (true) {
    const lineEnd = bytes.indexOf("\r\n", position, "latin1");
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.toString("latin1", position, lineEnd), 16);
    if (!Number.isInteger(size)) throw new Error("a chunk of unknown size");
    position = lineEnd + 2 + size + 2;
    if (position > bytes.length) return null;
    if (size === 0) return position;
  }
}
