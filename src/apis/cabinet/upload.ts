import { MAX_AVATAR_BYTES } from "../../domain/avatars.ts";
import { RequestError } from "../../http/failures.ts";

// Room for the form around the picture: boundaries, headers, a few other fields.
const MAX_FORM_BYTES = MAX_AVATAR_BYTES + 64 * 1024;

/**
 * The file in this field of a multipart form. Name and type that the client declares are not looked at. Throws
 * `unsupportedMediaType`, `bodyTooLarge`, `invalidInput`.
 */
export async function uploadedFile(request: Request, field: string): Promise<Uint8Array> {
  const type = request.headers.get("Content-Type") ?? "";
  if (!/^multipart\/form-data\s*(;|$)/i.test(type)) {
    throw new RequestError("unsupportedMediaType", "The body must be multipart/form-data.");
  }
  // Before a byte is read.
  if (Number(request.headers.get("Content-Length") ?? 0) > MAX_FORM_BYTES) throw tooLarge();
  const body = await readAtMost(request.body, MAX_FORM_BYTES);
  const files = await new Response(body, { headers: { "Content-Type": type } })
    .formData()
    .then((form) => form.getAll(field))
    .catch(() => {
      throw invalid(field, "The body is no complete multipart form.");
    });
  const [file] = files;
  if (files.length !== 1 || !(file instanceof Blob)) throw invalid(field, `${field}: must be one file`);
  if (file.size > MAX_AVATAR_BYTES) throw tooLarge();
  return new Uint8Array(await file.arrayBuffer());
}

/** Counts while it arrives: the declared length may be absent. */
async function readAtMost(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Blob> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(new Uint8Array(chunk));
  }
  return new Blob(chunks);
}

const tooLarge = () =>
  new RequestError("bodyTooLarge", `The picture is larger than ${MAX_AVATAR_BYTES / 1024 / 1024} MiB.`);

const invalid = (field: string, message: string) =>
  new RequestError("invalidInput", message, { issue: { field, message, missing: false } });
