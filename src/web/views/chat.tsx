import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api.ts";
import { readRooms, rooms, roomsFailure } from "../chat/rooms.ts";
import type { OwnRoom } from "../chat/shapes.ts";
import { number, t } from "../i18n.ts";
import { go } from "../router.ts";
import { Dialog } from "../ui/dialog.tsx";
import { FailureNote } from "../ui/failure.tsx";
import { Field, Form, textOf } from "../ui/form.tsx";
import { Icon } from "../ui/icon.tsx";
import { Empty, Loading, Title } from "../ui/parts.tsx";
import { RoomView } from "./chat/room.tsx";

/** The rooms, and beside them the one that is open; on a narrow screen one of both. */
export function Chat({ id }: { readonly id: string }) {
  useEffect(() => {
    void readRooms().catch(() => {});
  }, []);
  return (
    <div class={`chat ${id === "" ? "chat-none" : "chat-open"}`}>
      <RoomList at={id} />
      {id === "" ? (
        <section class="card chat-main">
          <Empty icon="chat" text={t("chooseRoom")} />
        </section>
      ) : (
        <RoomView key={id} id={id} />
      )}
    </div>
  );
}

function RoomList({ at }: { readonly at: string }) {
  const isMaking = useSignal(false);
  const close = () => {
    isMaking.value = false;
  };
  const newRoom = (
    <button
      type="button"
      class="small"
      onClick={() => {
        isMaking.value = true;
      }}
    >
      <Icon name="plus" />
      {t("newRoom")}
    </button>
  );
  // An open room is what the view is about then.
  return (
    <aside class="card chat-rooms" aria-label={t("myRooms")}>
      {at === "" ? (
        <Title text={t("chat")} aside={newRoom} />
      ) : (
        <div class="title">
          <h2>{t("chat")}</h2>
          {newRoom}
        </div>
      )}
      <FailureNote error={roomsFailure.value} retry={() => void readRooms().catch(() => {})} />
      {rooms.value === null ? (
        roomsFailure.value === null && <Loading />
      ) : rooms.value.length === 0 ? (
        <Empty icon="chat" text={t("noRooms")} />
      ) : (
        <ul class="room-list">
          {rooms.value.map((room) => (
            <li key={room.id}>
              <RoomLink room={room} isOpen={String(room.id) === at} />
            </li>
          ))}
        </ul>
      )}
      {isMaking.value && (
        <Dialog title={t("newRoom")} onClose={close}>
          <NewRoom onDone={close} />
        </Dialog>
      )}
    </aside>
  );
}

function RoomLink({ room, isOpen }: { readonly room: OwnRoom; readonly isOpen: boolean }) {
  return (
    <a href={`/chat/${room.id}`} aria-current={isOpen ? "page" : undefined}>
      <span class="room-name">{room.name}</span>
      {room.private && (
        <>
          <Icon name="lock" />
          <span class="sr-only">{t("private")}</span>
        </>
      )}
      <span class="room-here" title={t("here", { n: room.members })}>
        <Icon name="people" />
        <span aria-hidden="true">{number(room.members)}</span>
        <span class="sr-only">{t("here", { n: room.members })}</span>
      </span>
      {room.unread > 0 && (
        <span class="count">
          <span aria-hidden="true">{room.unread > 99 ? "99+" : room.unread}</span>
          <span class="sr-only">{t("unreadMessages", { n: room.unread })}</span>
        </span>
      )}
    </a>
  );
}

function NewRoom({ onDone }: { readonly onDone: () => void }) {
  async function make(data: FormData): Promise<void> {
    const room = await call<{ id: number | string }>("POST", "/ws/create-room", {
      body: { name: textOf(data, "name") },
    });
    if (data.get("private") === "on") {
      await call("PATCH", `/ws/rooms/${room.id}`, { body: { private: true } });
    }
    await readRooms();
    onDone();
    go(`/chat/${room.id}`);
  }
  return (
    <Form submit={t("newRoom")} save={make}>
      <Field name="name" label={t("roomName")} required maxLength={100} />
      <label class="check">
        <input type="checkbox" name="private" />
        <span>{t("privateRoom")}</span>
      </label>
    </Form>
  );
}
