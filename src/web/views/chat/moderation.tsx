import { useSignal } from "@preact/signals";
import { call } from "../../api.ts";
import { type Key, t } from "../../i18n.ts";
import { useAction } from "../../load.ts";
import { FailureNote } from "../../ui/failure.tsx";
import { Field, Select } from "../../ui/form.tsx";

const TERMS = [
  ["600", "minutes10"],
  ["3600", "hour1"],
  ["86400", "day1"],
  ["", "forever"],
] as const satisfies readonly (readonly [string, Key])[];

type Act = {
  readonly name: Key;
  readonly method: "PUT" | "DELETE" | "POST";
  readonly place: "mutes" | "bans" | "kick" | "moderators" | "members";
  /** With an end and a reason. */
  readonly hasTerm?: true;
};

const ACTS: readonly Act[] = [
  { name: "mute", method: "PUT", place: "mutes", hasTerm: true },
  { name: "unmute", method: "DELETE", place: "mutes" },
  { name: "kick", method: "POST", place: "kick", hasTerm: true },
  { name: "ban", method: "PUT", place: "bans", hasTerm: true },
  { name: "unban", method: "DELETE", place: "bans" },
  { name: "makeModerator", method: "PUT", place: "moderators" },
  { name: "takeModerator", method: "DELETE", place: "moderators" },
  { name: "letIn", method: "PUT", place: "members" },
  { name: "putOut", method: "DELETE", place: "members" },
];

/** What can be done to somebody in a room; the server judges whether one may. */
export function Moderation({ roomId, userId }: { readonly roomId: string; readonly userId: number }) {
  const seconds = useSignal("600");
  const reason = useSignal("");
  const done = useSignal<Key | null>(null);
  const acting = useAction(async ({ name, method, place, hasTerm }: Act) => {
    done.value = null;
    const until = seconds.value === "" ? null : new Date(Date.now() + Number(seconds.value) * 1_000);
    const body = {
      ...(until === null || place === "kick" ? {} : { until: until.toISOString() }),
      ...(reason.value.trim() === "" ? {} : { reason: reason.value.trim() }),
    };
    await call(method, `/ws/rooms/${roomId}/${place}/${userId}`, hasTerm === true ? { body } : {});
    done.value = name;
  });
  return (
    <div class="form">
      <Select
        name="seconds"
        label={t("howLong")}
        value={seconds.value}
        options={TERMS.map(([value, name]) => [value, t(name)] as const)}
        onChange={(value) => {
          seconds.value = value;
        }}
      />
      <Field
        name="reason"
        label={t("reason")}
        maxLength={500}
        onInput={(value) => {
          reason.value = value;
        }}
      />
      <div class="inline acts">
        {ACTS.map((act) => (
          <button
            key={act.name}
            type="button"
            class={`small ${act.name === "ban" || act.name === "kick" ? "danger" : ""}`}
            disabled={acting.isRunning}
            onClick={() => void acting.run(act)}
          >
            {t(act.name)}
          </button>
        ))}
      </div>
      <FailureNote error={acting.failure} />
      {done.value !== null && (
        <p class="note good" role="status">
          {t(done.value)}: {t("done")}
        </p>
      )}
    </div>
  );
}
