import { useSignal } from "@preact/signals";
import { readPersonOfRoom } from "../../chat/people-of-room.ts";
import type { ChatUser, OneRoom } from "../../chat/shapes.ts";
import { type Key, t } from "../../i18n.ts";
import { useAction, useLoad } from "../../load.ts";
import { FailureNote } from "../../ui/failure.tsx";
import { Field, Select } from "../../ui/form.tsx";
import { Loading } from "../../ui/parts.tsx";
import { ACTS, type Act, actsUpon, actUpon } from "./acts.ts";
import { Standing } from "./standing.tsx";

const TERMS = [
  ["600", "minutes10"],
  ["3600", "hour1"],
  ["86400", "day1"],
  ["", "forever"],
] as const satisfies readonly (readonly [string, Key])[];

type Props = {
  readonly roomId: string;
  readonly person: ChatUser;
  readonly you: OneRoom["you"];
  /** Another one when something may have changed. */
  readonly version: number;
  readonly onChange: () => void;
};

/** What somebody is in a room, and what can be done to them; all of it while the former cannot be read. */
export function Moderation({ roomId, person, you, version, onChange }: Props) {
  const seconds = useSignal("600");
  const reason = useSignal("");
  const done = useSignal<Key | null>(null);
  const known = useLoad(`${roomId} ${person.id} ${version}`, (signal) =>
    readPersonOfRoom(roomId, person, signal),
  );
  const acting = useAction(async (act: Act) => {
    done.value = null;
    const until = seconds.value === "" ? null : new Date(Date.now() + Number(seconds.value) * 1_000);
    const term = {
      ...(until === null || act.place === "kick" ? {} : { until: until.toISOString() }),
      ...(reason.value.trim() === "" ? {} : { reason: reason.value.trim() }),
    };
    await actUpon(roomId, person.id, act, act.hasTerm === true ? term : undefined);
    done.value = act.name;
    onChange();
  });
  if (known.data === null && known.failure === null) return <Loading lines={2} />;
  const standing = known.data;
  const acts = standing === null ? ACTS : actsUpon(standing, you);
  return (
    <div class="form">
      {standing !== null && (
        <p class="inline acts">
          <Standing of={standing} />
        </p>
      )}
      {acts.some(({ hasTerm }) => hasTerm === true) && (
        <>
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
        </>
      )}
      {acts.length === 0 ? (
        <p class="muted">{t("nothingToModerate")}</p>
      ) : (
        <div class="inline acts">
          {acts.map((act) => (
            <button
              // What is done and what takes it back are one button, which so keeps the focus.
              key={standing === null ? act.name : act.place}
              type="button"
              class={`small ${act.name === "ban" || act.name === "kick" ? "danger" : ""}`}
              aria-busy={acting.isRunning}
              onClick={() => void acting.run(act)}
            >
              {t(act.name)}
            </button>
          ))}
        </div>
      )}
      <FailureNote error={acting.failure} />
      {done.value !== null && (
        <p class="note good" role="status">
          {t(done.value)}: {t("done")}
        </p>
      )}
    </div>
  );
}
