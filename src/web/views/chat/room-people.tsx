import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
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
  const pressed = useSignal<Pressed | null>(null);
  const list = useLoad(`${standing.value} ${most.value} ${version}`, (signal) =>
    readPeopleOfRoom(roomId, { standing: standing.value, most: most.value }, signal),
  );
  const undoing = useAction(async (person: PersonOfRoom, act: Act, index: number) => {
    pressed.value = { personId: person.id, act };
    done.value = null;
    await actUpon(roomId, person.id, act);
    done.value = `${person.username}, ${t(act.name)}: ${t("done")}`;
    pressedAt.current = index;
    onChange();
  });
  useLayoutEffect(() => {
    const index = pressedAt.current;
    pressedAt.current = null;
    if (index === null || list.failure !== null) return;
    const focused = document.activeElement;
    // Whoever went elsewhere meanwhile stays there.
    if (focused !== document.body && rows.current?.contains(focused) !== true) return;
    const children = rows.current?.children;
    const next = children?.item(Math.min(index, children.length - 1));
    (next instanceof HTMLElement ? next : heading.current)?.focus();
  }, [list.data, list.failure]);
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
          pressedAt.current = null;
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
                  <Undoing
                    person={person}
                    you={you}
                    running={undoing.isRunning ? pressed.value : null}
                    undo={(act) => void undoing.run(person, act, index)}
                  />
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

type Pressed = { readonly personId: number; readonly act: Act };

type UndoingProps = {
  readonly person: PersonOfRoom;
  readonly you: OneRoom["you"];
  /** What is being done to anybody of the list. */
  readonly running: Pressed | null;
  readonly undo: (act: Act) => void;
};

function Undoing({ person, you, running, undo }: UndoingProps) {
  const acts = actsUpon(person, you).filter(({ method }) => method === "DELETE");
  if (acts.length === 0) return null;
  const isPressed = (act: Act) => running?.personId === person.id && running.act === act;
  return (
    <span class="inline push acts">
      {acts.map((act) => (
        <button
          key={act.name}
          type="button"
          class="small"
          aria-label={`${t(act.name)}: ${person.username}`}
          // One that is disabled would lose the focus.
          aria-busy={isPressed(act)}
          disabled={running !== null && !isPressed(act)}
          onClick={() => undo(act)}
        >
          {t(act.name)}
        </button>
      ))}
    </span>
  );
}
