import type { RoomConnection } from "../../chat/connection.ts";
import type { Waiting } from "../../chat/outbox.ts";
import type { Delay } from "../../chat/sending.ts";
import type { ChatMessage, FrameError, ModerationAction } from "../../chat/shapes.ts";
import type { Notice } from "../../chat/timeline.ts";
import { clock, dateTime } from "../../format.ts";
import { type Key, t } from "../../i18n.ts";
import { Icon } from "../../ui/icon.tsx";
import { Avatar } from "../../ui/parts.tsx";

const NOTICES = {
  mute: "noticeMute",
  unmute: "noticeUnmute",
  ban: "noticeBan",
  unban: "noticeUnban",
  kick: "noticeKick",
  moderator_added: "noticeModeratorAdded",
  moderator_removed: "noticeModeratorRemoved",
  member_added: "noticeMemberAdded",
  member_removed: "noticeMemberRemoved",
  room_changed: "noticeRoomChanged",
} as const satisfies Record<ModerationAction, Key>;

const REFUSALS: Readonly<Partial<Record<FrameError, Key>>> = {
  muted: "refusedMuted",
  read_only: "refusedReadOnly",
  too_long: "refusedTooLong",
};

const DELAYS: Readonly<Partial<Record<FrameError, Key>>> = {
  too_fast: "delayedTooFast",
  slow_mode: "delayedSlowMode",
  unavailable: "delayedUnavailable",
};

type OneProps = {
  readonly message: ChatMessage;
  /** The first of several by the same person: with name and picture. */
  readonly isFirst: boolean;
  readonly isOwn: boolean;
  readonly onRemove: (() => void) | null;
};

export function OneMessage({ message, isFirst, isOwn, onRemove }: OneProps) {
  return (
    <article class={`message ${isFirst ? "first" : ""} ${isOwn ? "own" : ""}`} data-id={message.id}>
      {isFirst ? <Avatar name={message.username} /> : <span />}
      <div class="message-body">
        <p class={isFirst ? "message-head" : "sr-only"}>
          {/* Guests have no page. */}
          {message.userId > 0 ? (
            <a href={`/players/${message.userId}`}>{message.username}</a>
          ) : (
            <strong>{message.username}</strong>
          )}{" "}
          <time dateTime={message.sentAt} title={dateTime(message.sentAt)}>
            {clock(message.sentAt)}
          </time>
        </p>
        <p class="message-text">
          <Linked text={message.content} />
        </p>
      </div>
      {onRemove !== null && (
        <button
          type="button"
          class="plain icon-only small message-remove"
          aria-label={`${t("remove")}: ${message.content.slice(0, 40)}`}
          onClick={onRemove}
        >
          <Icon name="close" />
        </button>
      )}
    </article>
  );
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;

/** Text whose web addresses can be followed; everything else is only text. */
function Linked({ text }: { readonly text: string }) {
  const parts = [];
  let at = 0;
  for (const { 0: address, index } of text.matchAll(ADDRESS)) {
    parts.push(
      text.slice(at, index),
      <a key={index} href={address} target="_blank" rel="noopener noreferrer nofollow">
        {address}
      </a>,
    );
    at = index + address.length;
  }
  return (
    <>
      {parts}
      {text.slice(at)}
    </>
  );
}

type WaitingProps = {
  readonly message: Waiting;
  /** Why this one is not sent at once. */
  readonly delay: Delay | null;
  readonly connection: RoomConnection;
};

/** Not stored yet: it waits, or was refused. */
export function WaitingMessage({ message: { key, content, refusal }, delay, connection }: WaitingProps) {
  return (
    <article class="message first own waiting">
      <span />
      <div class="message-body">
        <p class="message-text">{content}</p>
        {refusal === null ? (
          <p class="muted small">
            {t("waitsToBeSent")}
            {delay !== null && `: ${t(DELAYS[delay.code] ?? "delayedUnavailable", { n: delay.seconds })}`}
          </p>
        ) : (
          <div class="inline" role="alert">
            <span class="field-wrong">
              {t("notSent", { message: t(REFUSALS[refusal.code] ?? "refusedOther") })}
            </span>
            <button type="button" class="small" onClick={() => connection.resend(key)}>
              {t("tryAgain")}
            </button>
            <button type="button" class="small" onClick={() => connection.discard(key)}>
              {t("discard")}
            </button>
          </div>
        )}
      </div>
    </article>
  );
}

export function NoticeLine({ notice: { action, username, reason } }: { readonly notice: Notice }) {
  return (
    <p class="notice-line">
      {t(NOTICES[action], { name: username })}
      {reason !== null && `: ${reason}`}
    </p>
  );
}
