import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, Failure, get } from "../../api.ts";
import { readRooms } from "../../chat/rooms.ts";
import type { OneRoom } from "../../chat/shapes.ts";
import { findPerson } from "../../find-person.ts";
import { t } from "../../i18n.ts";
import { useLoad } from "../../load.ts";
import { go, path } from "../../router.ts";
import type { Person } from "../../shapes.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { Field, Form, Select, textOf } from "../../ui/form.tsx";
import { Shown } from "../../ui/parts.tsx";
import { moderates } from "./acts.ts";
import { Moderation } from "./moderation.tsx";
import { RoomPeople } from "./room-people.tsx";

const SLOW_MODES = [0, 5, 15, 60, 300];

type Props = { readonly roomId: string; readonly onDone: () => void };

/** A room as it is, and its people, for who moderates it. */
export function RoomSettings({ roomId, onDone }: Props) {
  const asked = useSignal(0);
  // Its people are read after it, and only by who still moderates it.
  const room = useLoad(`${roomId} ${asked.value}`, async (signal) => {
    const version = asked.value;
    return { version, told: await get<OneRoom>(`/ws/rooms/${roomId}`, signal) };
  });
  const isDeleting = useSignal(false);
  const found = useSignal<Person | null>(null);
  const changed = () => {
    asked.value += 1;
  };
  const { data, failure } = room;
  // Who gave up what let them into a private room is refused the room itself.
  const isShutOut = failure instanceof Failure && failure.status === 403;
  const isOver = data !== null && (isShutOut || !moderates(data.told.you));
  useEffect(() => {
    if (isOver) onDone();
  }, [isOver, onDone]);
  if (isOver) return null;
  return (
    <Shown of={room} lines={8}>
      {({ told, version }) => (
        <>
          <RoomForm room={told} onDone={onDone} />
          <RoomPeople roomId={roomId} you={told.you} version={version} onChange={changed} />
          <h3>{t("roomPeople")}</h3>
          <p class="muted small">{t("roomPeopleText")}</p>
          <Form
            class="filters"
            submit={t("find")}
            label={t("roomPeople")}
            save={async (data) => {
              found.value = null;
              found.value = await findPerson(textOf(data, "username"));
            }}
          >
            <Field name="username" type="search" label={t("username")} required maxLength={64} />
          </Form>
          {found.value !== null && (
            <section class="form" aria-labelledby="found">
              <h3 id="found">{found.value.login}</h3>
              <Moderation
                key={found.value.id}
                roomId={roomId}
                person={{ id: found.value.id, username: found.value.login }}
                you={told.you}
                version={version}
                onChange={changed}
              />
            </section>
          )}
          <button
            type="button"
            class="danger"
            onClick={() => {
              isDeleting.value = true;
            }}
          >
            {t("deleteRoom")}
          </button>
          {isDeleting.value && (
            <Confirm
              title={t("deleteRoomTitle", { name: told.name })}
              text={t("deleteRoomText")}
              confirm={t("deleteRoom")}
              act={async () => {
                await call("DELETE", `/ws/rooms/${roomId}`);
                if (path.value.startsWith("/chat")) go("/chat", { replace: true });
                await readRooms();
                onDone();
              }}
              onClose={() => {
                isDeleting.value = false;
              }}
            />
          )}
        </>
      )}
    </Shown>
  );
}

type RoomFormProps = { readonly room: OneRoom; readonly onDone: () => void };

function RoomForm({ room, onDone }: RoomFormProps) {
  const now = room.slow_mode_seconds;
  // Bots and other clients may have set one of their own.
  const slowModes = [...new Set([...SLOW_MODES, now])].sort((one, other) => one - other);
  async function save(data: FormData): Promise<void> {
    const wanted = {
      name: textOf(data, "name"),
      slow_mode_seconds: Number(textOf(data, "slow_mode_seconds")),
      read_only: data.get("read_only") === "on",
      private: data.get("private") === "on",
    };
    // What one left alone may have been changed by others since.
    const changes = Object.entries(wanted).filter(([field, value]) => value !== room[field as keyof OneRoom]);
    const body = Object.fromEntries(changes);
    if (changes.length > 0) await call("PATCH", `/ws/rooms/${room.id}`, { body });
    await readRooms();
  }
  return (
    <Form submit={t("save")} save={save} onDone={onDone}>
      <Field name="name" label={t("roomName")} value={room.name} required maxLength={100} />
      <Select
        name="slow_mode_seconds"
        label={t("slowMode")}
        value={String(now)}
        options={slowModes.map((seconds) => [
          String(seconds),
          seconds === 0 ? t("slowModeOff") : t("seconds", { n: seconds }),
        ])}
      />
      <label class="check">
        <input type="checkbox" name="read_only" defaultChecked={room.read_only} />
        <span>{t("readOnly")}</span>
      </label>
      <label class="check">
        <input type="checkbox" name="private" defaultChecked={room.private} />
        <span>{t("privateRoom")}</span>
      </label>
    </Form>
  );
}
