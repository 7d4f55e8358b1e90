import type { Page } from "./shapes.ts";
import { accessToken, renew, tokens, whose } from "./tokens.ts";

/** A request that was refused or did not arrive. `message` is the server's own sentence, in English. */
export class Failure extends Error {
  constructor(
    message: string,
    /** 0: there was no answer. */
    readonly status: number,
    /** The accounts API's code; "" where the answer had none. */
    readonly code: string,
    readonly field: string | null,
    readonly requestId: string | null,
    readonly retryAfterSeconds: number | null,
  ) {
    super(message);
  }
}

type Sent = {
  readonly body?: unknown;
  readonly form?: FormData;
  readonly signal?: AbortSignal;
  /** Without the token: as the public sees it. */
  readonly anonymous?: boolean;
  /** It is sent to its end also when the page is left. */
  readonly keepalive?: boolean;
  /** `transfer`: a file, which takes its time. `stream`: only its beginning must come in time. */
  readonly size?: "transfer" | "stream";
};

const REQUEST_MS = 20_000;
const TRANSFER_MS = 120_000;
const PAGE_ROWS = 100;
const MAX_PAGES = 100;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * The whole response of a request that succeeded; throws Failure. A token that was refused is renewed once. What was
 * asked for one account is neither repeated nor answered for another one, which another tab may sign in meanwhile.
 */
export async function send(method: Method, path: string, sent: Sent = {}): Promise<Response> {
  if (sent.anonymous === true) return succeeded(await sendOnce(method, path, sent, null));
  const who = whose(tokens.value?.access);
  const token = await accessToken().catch(unreachable);
  if (token !== null && whose(token) !== who) throw superseded();
  let response = await sendOnce(method, path, sent, token);
  if (response.status === 401 && token !== null) {
    const newer = await renew(token).catch(unreachable);
    if (newer !== null && newer !== token && whose(newer) === who) {
      response = await sendOnce(method, path, sent, newer);
    }
  }
  await succeeded(response);
  const now = whose(tokens.value?.access);
  // What was done is told; what was read belongs to who is signed in no more.
  if (token !== null && now !== who && (now !== null || method === "GET")) throw superseded();
  return response;
}

/** The JSON of an answer. Which type it has is what the server's OpenAPI document says of this path. */
export async function call<T = void>(method: Method, path: string, sent: Sent = {}): Promise<T> {
  const response = await send(method, path, sent);
  const text = await response.text().catch(unreachable);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Everything of a list that comes in pages; throws Failure. */
export async function getAll<Row>(path: string, signal: AbortSignal): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (let page = 1; page <= MAX_PAGES; page++) {
    const found = await get<Page<Row>>(`${path}?page=${page}&limit=${PAGE_ROWS}`, signal);
    rows.push(...found.data);
    if (page >= found.pagination.pages) return rows;
  }
  throw new Failure("The list is too long.", 0, "", null, null, null);
}

/** The body of an answer that is a file. */
export const blobOf = (response: Response): Promise<Blob> => response.blob().catch(unreachable);

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  call<T>("GET", path, signal === undefined ? {} : { signal });

/** Whatever is answered. Throws Failure when nothing is, in time; AbortError by the signal. */
export async function sendOnce(
  method: Method,
  path: string,
  { body, form, signal, size, keepalive }: Sent,
  token: string | null,
): Promise<Response> {
  const late = new AbortController();
  const isLong = size === "transfer" || form !== undefined;
  const timer = setTimeout(
    () => late.abort(new DOMException("no answer in time", "TimeoutError")),
    isLong ? TRANSFER_MS : REQUEST_MS,
  );
  const answered = fetch(path, {
    method,
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    // The token alone says who asks.
    credentials: "omit",
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(form === undefined ? {} : { body: form }),
    ...(keepalive === undefined ? {} : { keepalive }),
    signal: AbortSignal.any(signal === undefined ? [late.signal] : [late.signal, signal]),
  }).catch(unreachable);
  if (size === "stream") return answered.finally(() => clearTimeout(timer));
  return answered;
}

async function succeeded(response: Response): Promise<Response> {
  if (!response.ok) throw await failureOf(response);
  return response;
}

const superseded = () =>
  new Failure("Another account is signed in here now.", 401, "ACCOUNT_CHANGED", null, null, null);

function unreachable(error: unknown): never {
  if (error instanceof DOMException && error.name === "AbortError") throw error;
  if (error instanceof Failure) throw error;
  throw new Failure("The server cannot be reached.", 0, "OFFLINE", null, null, null);
}

async function failureOf(response: Response): Promise<Failure> {
  const body: unknown = await response.json().catch(() => null);
  const { message, code, field } = toldBy(body);
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new Failure(
    message ?? `The server answered ${response.status}.`,
    response.status,
    code ?? "",
    field ?? null,
    response.headers.get("X-Request-ID"),
    Number.isFinite(retryAfter) ? retryAfter : null,
  );
}

type Told = { readonly message?: string; readonly code?: string; readonly field?: string };

/** Each API spells its refusals its own way. */
function toldBy(body: unknown): Told {
  const { error, message, errorMessage } = asRecord(body);
  if (typeof error === "string") return { message: error };
  const told = asRecord(error);
  if (typeof told.message === "string") {
    const { field } = asRecord(told.details);
    return {
      message: told.message,
      ...(typeof told.code === "string" ? { code: told.code } : {}),
      ...(typeof field === "string" ? { field } : {}),
    };
  }
  const text = message ?? errorMessage;
  return typeof text === "string" ? { message: text } : {};
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
