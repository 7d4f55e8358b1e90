import type { ComponentChildren } from "preact";
import { Failure } from "../api.ts";
import { type Key, language, t } from "../i18n.ts";

// What the app says itself; the server's own sentences are English.
const BY_CODE: Readonly<Record<string, Key>> = {
  OFFLINE: "failureOffline",
  OUTDATED: "failureOutdated",
  OTHER_USERNAME: "failureOtherUsername",
  INVALID_CREDENTIALS: "failureCredentials",
  ACCOUNT_INACTIVE: "failureInactive",
  EMAIL_ALREADY_EXISTS: "failureEmailTaken",
  USERNAME_ALREADY_EXISTS: "failureUsernameTaken",
  NAME_ALREADY_EXISTS: "failureNameTaken",
  INVALID_PASSWORD_FORMAT: "passwordHint",
  INVALID_EMAIL_FORMAT: "failureEmail",
  INVALID_RESET_TOKEN: "failureLink",
  REGISTRATION_CLOSED: "failureClosed",
  INVALID_INVITATION: "failureInvitation",
  FORBIDDEN: "failureForbidden",
  POST_NOT_FOUND: "failureNoPost",
  USER_NOT_FOUND: "failureNoUser",
  INVALID_AVATAR_FORMAT: "failurePicture",
  RATE_LIMIT_EXCEEDED: "failureTooMany",
  SERVICE_UNAVAILABLE: "failureBusy",
};
const BY_STATUS: Readonly<Record<number, Key>> = {
  401: "failureUnauthorized",
  403: "failureForbidden",
  404: "failureNotFound",
  413: "failureTooLarge",
  429: "failureTooMany",
  500: "failureServer",
  503: "failureBusy",
};

/** What went wrong, in words. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Failure)) return t("failureUnexpected");
  if (error.status === 429) return t("failureTooMany", { n: error.retryAfterSeconds ?? 60 });
  const key = BY_CODE[error.code];
  // What the server did not say, the app says in every language.
  if (error.status === 0 && key !== undefined) return t(key);
  if (language.value === "en") return plain(error);
  if (key !== undefined) return t(key);
  const general = BY_STATUS[error.status];
  return general === undefined ? t("failureTold", { message: error.message }) : t(general);
}

/** Without the field's name before it, which its label has told. */
function plain({ field, message }: Failure): string {
  if (field === null || !message.startsWith(`${field}: `)) return message;
  const rest = message.slice(field.length + 2);
  return `${rest.charAt(0).toUpperCase()}${rest.slice(1)}`;
}

/** By which the server's log knows what failed. */
export function RequestId({ of: error }: { readonly of: unknown }) {
  if (!(error instanceof Failure) || error.requestId === null) return null;
  return (
    <small class="request-id">
      {t("requestId")} <code>{error.requestId}</code>
    </small>
  );
}

type Props = {
  readonly error: unknown;
  readonly retry?: (() => void) | undefined;
  readonly children?: ComponentChildren;
};

/** Stands next to what failed; nothing when nothing did. */
export function FailureNote({ error, retry, children }: Props) {
  if (error === null || error === undefined) return null;
  return (
    <div class="failure" role="alert">
      <p>{wordsOf(error)}</p>
      <p>
        <RequestId of={error} />
      </p>
      {retry !== undefined && (
        <button type="button" class="small" onClick={retry}>
          {t("tryAgain")}
        </button>
      )}
      {children}
    </div>
  );
}
