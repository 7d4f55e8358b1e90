import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { readRooms, rooms, roomsFailure } from "../../chat/rooms.ts";
import type { OwnRoom } from "../../chat/shapes.ts";
import { t } from "../../i18n.ts";
import { Dialog } from "../../ui/dialog.tsx";
import { FailureNote } from "../../ui/failure.tsx";
import { Badge, Empty, Loading } from "../../ui/parts.tsx";
import { RoomSettings } from "../chat/room-settings.tsx";

/** All rooms, private ones too, for who moderates all of chat. */
export function Rooms() {
  const chosen = useSignal<OwnRoom | null>(null);
  const close = () => {
    chosen.value = null;
  };
  useEffect(() => {
    void readRooms().catch(() => {});
  }, []);
  const list = rooms.value;
  return (
    <section class="card" aria-label={t("rooms")}>
      <FailureNote error={roomsFailure.value} retry={() => void readRooms().catch(() => {})} />
      {list === null ? (
        roomsFailure.value === null && <Loading />
      ) : list.length === 0 ? (
        <Empty icon="chat" text={t("noRooms")} />
      ) : (
        <ul class="rows">
          {list.map((room) => (
            <li key={room.id} class="row-flex">
              <a class="row-link" href={`/chat/${room.id}`}>
                {room.name}
              </a>
              {room.private && <Badge tone="warn">{t("private")}</Badge>}
              <span class="muted small">{t("here", { n: room.members })}</span>
              <button
                type="button"
                class="small push"
                aria-label={`${t("manage")}: ${room.name}`}
                onClick={() => {
                  chosen.value = room;
                }}
              >
                {t("manage")}
              </button>
            </li>
          ))}
        </ul>
      )}
      {chosen.value !== null && (
        <Dialog title={chosen.value.name} onClose={close}>
          <RoomSettings roomId={String(chosen.value.id)} onDone={close} />
        </Dialog>
      )}
    </section>
  );
}
