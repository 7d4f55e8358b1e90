import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { readPeopleOfRoom, STANDINGS } from "../../chat/people-of-room.ts";
import type { OneRoom, PersonOfRoom } from "../../chat/shapes.ts";
import { type Key, t } from "../../i18n.ts";
import { useAction, useLoad } from "../../load.ts";
import { account } from "../../session.ts";
import { FailureNote } from "../../ui/failure.tsx";
import { Select } from "../../ui/form.tsx";
import { Avatar, Shown } from "../../ui/parts.tsx";
import { type Act, actsUpon, actUpon } from "./acts.ts";
import { Standing } from "./standing.tsx";

const SHOWN = 50;
const NAMES = {
  banned: "standingBanned",
  muted: "standingMuted",
  moderator: "standingModerator",
  member: "standingMember",
} as const satisfies Record<(typeof STANDINGS)[number], Key>;

type Props = {
  readonly roomId: string;
  readonly you: OneRoom["you"];
  /** Another one when something may have changed. */
  readonly version: number;
  readonly onChange: () => void;
};

/** Of whom the room knows something, each with what takes it back. */
export function RoomPeople({ roomId, you, version, onChange }: Props) {
  const standing = useSignal<(typeof STANDINGS)[number] | null>(null);
  const most = useSignal(SHOWN);
  const done = useSignal<string | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const rows = useRef<HTMLUListElement>(null);
  /** Where a button was pressed that is gone with the next list. */
  const pressedAt = useRef<number | null>(null);
  const list = useLoad(`${standing.value} ${most.value} ${version}`, (signal) =>
    readPeopleOfRoom(roomId, { standing: standing.value, most: most.value }, signal),
  );
  const undoing = useAction(async (person: PersonOfRoom, act: Act, index: number) => {
    done.value = null;
    await actUpon(roomId, person.id, act);
    done.value = `${person.username}, ${t(act.name)}: ${t("done")}`;
    pressedAt.current = index;
    onChange();
  });
  useEffect(() => {
    if (pressedAt.current === null) return;
    const children = rows.current?.children;
    const next = children?.item(Math.min(pressedAt.current, children.length - 1));
    pressedAt.current = null;
    (next instanceof HTMLElement ? next : heading.current)?.focus();
  }, [list.data]);
  return (
    <section class="form" aria-labelledby="people-of-room">
      <h3 id="people-of-room" ref={heading} tabIndex={-1}>
        {t("peopleOfRoom")}
      </h3>
      <Select
        name="standing"
        label={t("standing")}
        options={[["", t("all")], ...STANDINGS.map((one) => [one, t(NAMES[one])] as const)]}
        onChange={(value) => {
          done.value = null;
          most.value = SHOWN;
          standing.value = STANDINGS.find((one) => one === value) ?? null;
        }}
      />
      <FailureNote error={undoing.failure} />
      {done.value !== null && (
        <p class="note good" role="status">
          {done.value}
        </p>
      )}
      <Shown of={list} lines={2}>
        {({ people, hasMore }) => (
          <>
            {people.length === 0 && <p class="muted">{t("nobodyOfRoom")}</p>}
            <ul class="rows" ref={rows}>
              {people.map((person, index) => (
                <li key={person.id} class="row-flex" tabIndex={-1}>
                  <Avatar name={person.username} size="small" />
                  <div class="who">
                    <span class="person-name">
                      {person.username}
                      {person.id === account.value?.person.id && (
                        <span class="muted small"> ({t("you")})</span>
                      )}
                    </span>
                    <p class="inline acts">
                      <Standing of={person} />
                    </p>
                  </div>
                  <Undoing person={person} you={you} undo={(act) => void undoing.run(person, act, index)} />
                </li>
              ))}
            </ul>
            {hasMore && (
              <button
                type="button"
                class="small"
                onClick={() => {
                  most.value *= 2;
                }}
              >
                {t("more")}
              </button>
            )}
          </>
        )}
      </Shown>
    </section>
  );
}

type UndoingProps = {
  readonly person: PersonOfRoom;
  readonly you: OneRoom["you"];
  readonly undo: (act: Act) => void;
};

function Undoing({ person, you, undo }: UndoingProps) {
  const acts = actsUpon(person, you).filter(({ method }) => method === "DELETE");
  if (acts.length === 0) return null;
  return (
    <span class="inline push acts">
      {acts.map((act) => (
        <button
          key={act.name}
          type="button"
          class="small"
          aria-label={`${t(act.name)}: ${person.username}`}
          onClick={() => undo(act)}
        >
          {t(act.name)}
        </button>
      ))}
    </span>
  );
}
