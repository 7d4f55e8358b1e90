import { useSignal } from "@preact/signals";
import { call } from "../../api.ts";
import { readRooms } from "../../chat/rooms.ts";
import { findPerson } from "../../find-person.ts";
import { t } from "../../i18n.ts";
import { go, path } from "../../router.ts";
import type { Person } from "../../shapes.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { Field, Form, Select, textOf } from "../../ui/form.tsx";
import { Moderation } from "./moderation.tsx";

const SLOW_MODES = [5, 15, 60, 300];

type Props = {
  readonly roomId: string;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly onDone: () => void;
};

export function RoomSettings({ roomId, name, isPrivate, onDone }: Props) {
  const room = `/ws/rooms/${roomId}`;
  const isDeleting = useSignal(false);
  const found = useSignal<Person | null>(null);
  // The API does not tell how these two stand, so they can be left alone.
  const asIs = ["", t("leaveAsIs")] as const;
  async function save(data: FormData): Promise<void> {
    const readOnly = textOf(data, "read_only");
    const slowMode = textOf(data, "slow_mode");
    const nowPrivate = data.get("private") === "on";
    const body = {
      ...(textOf(data, "name") === name ? {} : { name: textOf(data, "name") }),
      ...(nowPrivate === isPrivate ? {} : { private: nowPrivate }),
      ...(readOnly === "" ? {} : { read_only: readOnly === "yes" }),
      ...(slowMode === "" ? {} : { slow_mode_seconds: Number(slowMode) }),
    };
    if (Object.keys(body).length > 0) await call("PATCH", room, { body });
    await readRooms();
  }
  return (
    <>
      <Form submit={t("save")} save={save} onDone={onDone}>
        <Field name="name" label={t("roomName")} value={name} required maxLength={100} />
        <Select name="read_only" label={t("readOnly")} options={[asIs, ["yes", t("yes")], ["no", t("no")]]} />
        <Select
          name="slow_mode"
          label={t("slowMode")}
          options={[
            asIs,
            ["0", t("slowModeOff")],
            ...SLOW_MODES.map((seconds) => [String(seconds), t("seconds", { n: seconds })] as const),
          ]}
        />
        <label class="check">
          <input type="checkbox" name="private" defaultChecked={isPrivate} />
          <span>{t("privateRoom")}</span>
        </label>
      </Form>
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
        <>
          <h3>{found.value.login}</h3>
          <Moderation roomId={roomId} userId={found.value.id} />
        </>
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
          title={t("deleteRoomTitle", { name })}
          text={t("deleteRoomText")}
          confirm={t("deleteRoom")}
          act={async () => {
            await call("DELETE", room);
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
  );
}
