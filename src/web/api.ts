import { accessToken, renew } from "./tokens.ts";

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
};

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The whole response of a request that succeeded; throws Failure. A token that was refused is renewed once. */
export async function send(method: Method, path: string, sent: Sent = {}): Promise<Response> {
  const token = sent.anonymous === true ? null : await accessToken().catch(unreachable);
  let response = await once(method, path, sent, token);
  if (response.status === 401 && token !== null) {
    const newer = await renew(token).catch(unreachable);
    if (newer !== null && newer !== token) response = await once(method, path, sent, newer);
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

/** The JSON of an answer. Which type it has is what the server's OpenAPI document says of this path. */
export async function call<T = void>(method: Method, path: string, sent: Sent = {}): Promise<T> {
  const response = await send(method, path, sent);
  const text = await response.text().catch(unreachable);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  call<T>("GET", path, signal === undefined ? {} : { signal });

async function once(method: Method, path: string, sent: Sent, token: string | null): Promise<Response> {
  const { body, form, signal } = sent;
  return fetch(path, {
    method,
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    // The token alone says who asks.
    credentials: "omit",
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(form === undefined ? {} : { body: form }),
    ...(signal === undefined ? {} : { signal }),
  }).catch(unreachable);
}

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
