import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { connectRoom, type RoomConnection } from "../../chat/connection.ts";
import { rooms } from "../../chat/rooms.ts";
import type { ChatUser } from "../../chat/shapes.ts";
import { t } from "../../i18n.ts";
import { account } from "../../session.ts";
import { Dialog } from "../../ui/dialog.tsx";
import { FailureNote } from "../../ui/failure.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, Loading } from "../../ui/parts.tsx";
import { moderates } from "./acts.ts";
import { Composer } from "./composer.tsx";
import { Messages } from "./messages.tsx";
import { Moderation } from "./moderation.tsx";
import { People } from "./people.tsx";
import { RoomSettings } from "./room-settings.tsx";

const STATES = {
  open: "connected",
  connecting: "connecting",
  lost: "lostShort",
  shut: "lostShort",
} as const;

const REASONS = {
  removed: "removedFromRoom",
  gone: "roomGone",
  refused: "roomRefused",
  tooMuch: "roomTooMuch",
  tooManyTabs: "roomTooManyTabs",
} as const;

type Asked =
  | { readonly what: "people" | "settings" }
  | { readonly what: "moderation"; readonly person: ChatUser };

/** One room, connected as long as it is shown. */
export function RoomView({ id }: { readonly id: string }) {
  const connection = useSignal<RoomConnection | null>(null);
  const person = account.value?.person;
  const own = person?.id ?? 0;
  const login = person?.login ?? "";
  useEffect(() => {
    const connected = connectRoom(id, { id: own, username: login });
    connection.value = connected;
    return () => connected.close();
  }, [id, own, login, connection]);
  const at = connection.value;
  return (
    <section class="card chat-main" aria-label={t("messages")}>
      {at === null ? <Loading /> : <Connected connection={at} own={own} />}
    </section>
  );
}

function Connected({ connection, own }: { readonly connection: RoomConnection; readonly own: number }) {
  const asked = useSignal<Asked | null>(null);
  const version = useSignal(0);
  const room = rooms.value?.find((one) => String(one.id) === connection.id);
  const name = room?.name ?? connection.name.value ?? connection.id;
  const isModerator = moderates(room?.you ?? null);
  const state = connection.state.value;
  const close = () => {
    asked.value = null;
  };
  const moderate = (person: ChatUser) => {
    asked.value = { what: "moderation", person };
  };
  useEffect(() => {
    document.title = `${name} · Guildhall`;
  }, [name]);
  return (
    <>
      <header class="room-head">
        <a class="button plain icon-only narrow-only" href="/chat" aria-label={t("backToRooms")}>
          <Icon name="back" />
        </a>
        <h1>{name}</h1>
        <span class={`connection ${state.kind}`} role="status">
          <span>{t(STATES[state.kind])}</span>
        </span>
        <div class="room-buttons">
          <button
            type="button"
            class="plain small narrow-only"
            onClick={() => {
              asked.value = { what: "people" };
            }}
          >
            <Icon name="people" />
            <span class="sr-only">{t("people")}</span>
            {connection.members.value.length}
          </button>
          {isModerator && (
            <button
              type="button"
              class="plain icon-only"
              aria-label={t("roomSettings")}
              onClick={() => {
                asked.value = { what: "settings" };
              }}
            >
              <Icon name="more" />
            </button>
          )}
        </div>
      </header>
      {(state.kind === "lost" || (state.kind === "connecting" && state.isLate)) && (
        <p class="connection-lost" role="alert">
          {t("lost")}{" "}
          <button type="button" class="small" onClick={connection.tryNow}>
            {t("connectNow")}
          </button>
        </p>
      )}
      {state.kind === "shut" ? (
        <div class="room-shut">
          <Empty icon="lock" text={t(REASONS[state.why])}>
            {state.why !== "gone" && state.why !== "refused" && (
              <button type="button" onClick={connection.tryNow}>
                {t("comeBack")}
              </button>
            )}
          </Empty>
          <FailureNote error={state.failure} />
        </div>
      ) : (
        <div class="room-body">
          <div class="room-talk">
            <Messages connection={connection} own={own} moderates={isModerator} />
            <Composer connection={connection} />
          </div>
          <aside class="room-people" aria-label={t("people")}>
            <People members={connection.members.value} own={own} onModerate={isModerator ? moderate : null} />
          </aside>
        </div>
      )}
      {asked.value?.what === "people" && (
        <Dialog title={t("people")} onClose={close}>
          <People members={connection.members.value} own={own} onModerate={isModerator ? moderate : null} />
        </Dialog>
      )}
      {asked.value?.what === "settings" && (
        <Dialog title={t("roomSettings")} onClose={close}>
          <RoomSettings roomId={connection.id} onDone={close} />
        </Dialog>
      )}
      {asked.value?.what === "moderation" && (
        <Dialog title={t("moderatePerson", { name: asked.value.person.username })} onClose={close}>
          <Moderation
            roomId={connection.id}
            person={asked.value.person}
            you={room?.you ?? null}
            version={version.value}
            onChange={() => {
              version.value += 1;
            }}
          />
        </Dialog>
      )}
    </>
  );
}
