export type Place = { readonly bucket: string; readonly endpoint: string | undefined };

type Failure = {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
};

const CREDENTIALS = new Set([
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "InvalidToken",
  "AuthorizationHeaderMalformed",
]);
const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ConnectionRefused: "the connection was refused",
  ECONNRESET: "the connection was reset",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the host name cannot be looked up now",
  EHOSTUNREACH: "the host is unreachable",
  ENETUNREACH: "the network is unreachable",
};

/**
 * A sentence for people. The SDK's error is not kept as its cause: it carries the access key and what was signed.
 */
export function s3Error(error: unknown, place: Place): Error {
  const failure = failureOf(error);
  const suffix = failure.requestId === undefined ? "" : ` (request ${failure.requestId})`;
  return new Error(`${sentence(failure, place)}${suffix}`);
}

/** True when the object is absent, false when the whole bucket is. */
export const isMissingObject = (error: unknown): boolean => failureOf(error).name === "NoSuchKey";

function sentence({ name, code, status, message }: Failure, { bucket, endpoint }: Place): string {
  const where = endpoint === undefined ? "S3" : `S3 at ${new URL(endpoint).host}`;
  const network = NETWORK[code];
  if (network !== undefined) return `${where} cannot be reached: ${network}`;
  if (name === "TimeoutError" || name === "AbortError") return `${where} does not answer in time`;
  if (name === "CredentialsProviderError") return "no AWS credentials were found by the AWS SDK";
  if (CREDENTIALS.has(name)) return `${where} refuses the credentials: ${name}`;
  if (status === 403)
    return `${where} denies access to the bucket ${bucket}: check credentials and permissions`;
  if (name === "NoSuchBucket" || status === 404) return `the bucket ${bucket} does not exist on ${where}`;
  if (status === 301 || name === "PermanentRedirect") return `the bucket ${bucket} is in another region`;
  if (status !== undefined) return `${where} answered ${status} ${name === "Unknown" ? "" : name}`.trimEnd();
  if (message === "Region is missing") return "the region of S3 is not set";
  return `${where} failed: ${name}`;
}

function failureOf(error: unknown): Failure {
  const fields = record(error);
  const metadata = record(fields.$metadata);
  return {
    name: text(fields.name) ?? "Error",
    code: text(fields.code) ?? "",
    message: text(fields.message) ?? "",
    status: typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined,
    requestId: text(metadata.requestId),
  };
}

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (value instanceof Error) return { ...value, name: value.name, message: value.message };
  return typeof value === "object" && value !== null ? { ...value } : {};
}
