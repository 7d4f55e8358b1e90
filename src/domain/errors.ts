/** Everything that may be refused, once. Each API answers every one of these in its own words. */
export const ERROR_CODES = [
  "unauthorized",
  "tokenInvalid",
  "tokenExpired",
  "credentialsInvalid",
  "accountInactive",
  "forbidden",
  "accountNotFound",
  "taskNotFound",
  "documentNotFound",
  "postNotFound",
  "commentNotFound",
  "sessionNotFound",
  "groupNotFound",
  "invitationNotFound",
  "usernameTaken",
  "emailTaken",
  "nameTaken",
  "taskNotFailed",
  "usernameInvalid",
  "passwordTooLong",
  "passwordTooWeak",
  "lastAdmin",
  "unknownRole",
  "fieldInvalid",
  "fieldsContradict",
  "tokenMalformed",
  "mailedSecretInvalid",
  "registrationClosed",
  "invitationInvalid",
  "pictureInvalid",
  "roomNotFound",
  "roomTaken",
  "messageNotFound",
  "banned",
  "muted",
  "roomReadOnly",
  "slowMode",
  "tooManySockets",
  "rateLimited",
  "overloaded",
  "unavailable",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** An expected refusal. `message` is written for the client; causes go into `cause` and never leave the log. */
export class DomainError extends Error {
  override readonly name = "DomainError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: { readonly field?: string; readonly retryAfterSeconds?: number } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
