import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { call } from "../../api.ts";
import type { RoomConnection } from "../../chat/connection.ts";
import { openRoom } from "../../chat/rooms.ts";
import type { ChatMessage } from "../../chat/shapes.ts";
import { t } from "../../i18n.ts";
import { useAction } from "../../load.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { FailureNote } from "../../ui/failure.tsx";
import { Empty, Loading } from "../../ui/parts.tsx";
import { entriesOf } from "./entries.ts";
import { NoticeLine, OneMessage, WaitingMessage } from "./message.tsx";

// So near to an end counts as being there.
const NEAR_PX = 80;

type Props = { readonly connection: RoomConnection; readonly own: number; readonly moderates: boolean };

/** What was said, the newest at the end, which it stays at until somebody scrolls away from it. */
export function Messages({ connection, own, moderates }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const { isAtEnd } = connection;
  const removed = useSignal<ChatMessage | null>(null);
  const anchor = useRef<Anchor | null>(null);
  const timeline = connection.timeline.value;
  const waiting = connection.waiting.value;
  const reading = useAction(connection.readEarlier);

  function seen(): void {
    const isSeen = isAtEnd.peek() && document.visibilityState === "visible";
    openRoom.value = isSeen ? connection.id : null;
    if (isSeen) connection.read();
  }

  useLayoutEffect(() => {
    const box = list.current;
    if (box === null) return;
    if (isAtEnd.peek()) box.scrollTop = box.scrollHeight;
    // What comes or goes above moves nothing of what is being read.
    else if (anchor.current?.message.isConnected === true) {
      box.scrollTop += bottomIn(box, anchor.current.message) - anchor.current.bottom;
    }
    anchor.current = anchorIn(box);
  }, [timeline, waiting, reading.isRunning, reading.failure]);

  useEffect(seen, [timeline, connection.state.value]);
  useEffect(() => {
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      openRoom.value = null;
    };
  }, [connection]);

  function scrolled(): void {
    const box = list.current;
    if (box === null) return;
    const wasAtEnd = isAtEnd.value;
    anchor.current = anchorIn(box);
    isAtEnd.value = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    if (isAtEnd.value && !wasAtEnd) seen();
    if (box.scrollTop < NEAR_PX && connection.hasEarlier.value && reading.failure === null)
      void reading.run();
  }

  const first = waiting.find(({ refusal }) => refusal === null)?.key;
  const isEmpty = timeline.messages.length === 0 && waiting.length === 0;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <div class="messages" role="log" aria-label={t("messages")} tabIndex={0} ref={list} onScroll={scrolled}>
        {connection.hasEarlier.value && (
          <button
            type="button"
            class="small earlier"
            disabled={reading.isRunning}
            onClick={() => void reading.run()}
          >
            {t("earlier")}
          </button>
        )}
        <FailureNote error={reading.failure} />
        {isEmpty &&
          (connection.name.value === null ? <Loading /> : <Empty icon="chat" text={t("noMessages")} />)}
        {entriesOf(timeline).map((entry) => {
          if (entry.kind === "day") {
            return (
              <p key={entry.key} class="day">
                <span>{entry.text}</span>
              </p>
            );
          }
          if (entry.kind === "notice") return <NoticeLine key={entry.key} notice={entry.notice} />;
          const { message } = entry;
          const mayRemove = message.userId === own || moderates;
          return (
            <OneMessage
              key={message.id}
              message={message}
              isFirst={entry.isFirst}
              isOwn={message.userId === own}
              onRemove={
                mayRemove
                  ? () => {
                      removed.value = message;
                    }
                  : null
              }
            />
          );
        })}
        {waiting.map((message) => (
          <WaitingMessage
            key={message.key}
            message={message}
            delay={message.key === first ? connection.delay.value : null}
            connection={connection}
          />
        ))}
      </div>
      {!isAtEnd.value && (
        <button
          type="button"
          class="small to-newest"
          onClick={() => list.current?.scrollTo({ top: list.current.scrollHeight })}
        >
          {t("newest")}
        </button>
      )}
      {removed.value !== null && (
        <Confirm
          title={t("deleteMessage")}
          text={t("deleteMessageText")}
          confirm={t("remove")}
          act={() => call("DELETE", `/ws/rooms/${connection.id}/messages/${removed.value?.id}`)}
          onClose={() => {
            removed.value = null;
          }}
        />
      )}
    </>
  );
}

/** The first message that is in sight, by its end: its head goes when one of the same person comes before it. */
type Anchor = { readonly message: Element; readonly bottom: number };

function anchorIn(box: Element): Anchor | null {
  const messages = box.getElementsByTagName("article");
  let [low, high] = [0, messages.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const message = messages[middle];
    if (message !== undefined && bottomIn(box, message) <= 0) low = middle + 1;
    else high = middle;
  }
  const message = messages[low];
  return message === undefined ? null : { message, bottom: bottomIn(box, message) };
}

const bottomIn = (box: Element, message: Element): number =>
  message.getBoundingClientRect().bottom - box.getBoundingClientRect().top;
