import { useSignal } from "@preact/signals";
import { call, get } from "../api.ts";
import { dateTime, duration, percent } from "../format.ts";
import { number, t } from "../i18n.ts";
import { useLoad } from "../load.ts";
import { account, may } from "../session.ts";
import type { Counters, Game, Person, Player } from "../shapes.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Field, Form, Select, textOf } from "../ui/form.tsx";
import { Avatar, Badge, Empty, Shown, Title } from "../ui/parts.tsx";
import { ResultsChart } from "../ui/results-chart.tsx";
import { PlayerDocument } from "./player-document.tsx";

const SHOWN_GAMES = 10;
const READ_GAMES = 100;
const TONES = { win: "good", loss: "bad", draw: undefined } as const;

type Record = { readonly counters: Counters; readonly games: readonly Game[] };

export function PlayerView({ id }: { readonly id: string }) {
  const player = useLoad(id, async (signal) => {
    const [found, person] = await Promise.all([
      get<Player>(`/users/${id}`, signal),
      // Its picture is there for everybody, also where none was uploaded.
      get<Person>(`/info/users/search-${id}`, signal),
    ]);
    return { ...found, person };
  });
  return (
    <Shown of={player} isView>
      {(found) => (
        <>
          <div class="person">
            <Avatar name={found.username} src={found.person.avatar} size="large" />
            <div>
              <Title text={found.username} />
              <p class="muted small">{[found.email, found.gender].filter(Boolean).join(" · ")}</p>
              {found.person.description !== "" && <p>{found.person.description}</p>}
            </div>
          </div>
          {account.value === null ? (
            <Empty icon="lock" text={t("signInForStats")}>
              <a class="button primary" href={`/login?next=/players/${id}`}>
                {t("signIn")}
              </a>
            </Empty>
          ) : (
            account.value !== undefined && <Played id={id} username={found.username} />
          )}
        </>
      )}
    </Shown>
  );
}

function Played({ id, username }: { readonly id: string; readonly username: string }) {
  const record = useLoad(id, async (signal): Promise<Record> => {
    const [counters, games] = await Promise.all([
      get<Counters>(`/users/${id}/stats`, signal),
      get<Game[]>(`/users/${id}/games?limit=${READ_GAMES}`, signal),
    ]);
    return { counters, games };
  });
  const mayRecord = account.value?.person.id === Number(id) || may("users.write");
  return (
    <Shown of={record} lines={8}>
      {({ counters, games }) => (
        <>
          <CountersList counters={counters} />
          <section class="card" aria-labelledby="chart">
            <h2 id="chart">{t("resultsOverTime")}</h2>
            {games.length === 0 ? (
              <Empty icon="players" text={t("noGames")} />
            ) : (
              <ResultsChart games={games} />
            )}
          </section>
          <Games id={id} games={games} mayRecord={mayRecord} onRecorded={record.reload} />
          <PlayerDocument id={id} username={username} />
        </>
      )}
    </Shown>
  );
}

function CountersList({ counters }: { readonly counters: Counters }) {
  const { victory_count: won, loss_count: lost, session_count: played, total_time: seconds } = counters;
  const facts = [
    [t("victories"), number(won)],
    [t("losses"), number(lost)],
    [t("games"), number(played)],
    [t("winRate"), won + lost === 0 ? "–" : percent(won / (won + lost))],
    [t("timePlayed"), duration(seconds)],
  ] as const;
  return (
    <dl class="facts card">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

type GamesProps = {
  readonly id: string;
  readonly games: readonly Game[];
  readonly mayRecord: boolean;
  readonly onRecorded: () => Promise<void>;
};

function Games({ id, games, mayRecord, onRecorded }: GamesProps) {
  const isRecording = useSignal(false);
  const shown = useSignal(SHOWN_GAMES);
  const close = () => {
    isRecording.value = false;
  };
  return (
    <section class="card" aria-labelledby="games">
      <header class="card-head">
        <h2 id="games">{t("lastGames")}</h2>
        {mayRecord && (
          <button
            type="button"
            class="primary small"
            onClick={() => {
              isRecording.value = true;
            }}
          >
            {t("recordGame")}
          </button>
        )}
      </header>
      {games.length === 0 ? (
        <p class="muted">{t("noGames")}</p>
      ) : (
        <ul class="rows">
          {games.slice(0, shown.value).map((game) => (
            <li key={game.id} class="row-flex">
              <Badge tone={TONES[game.result]}>{t(game.result)}</Badge>
              <span>{game.role}</span>
              <span class="muted small">{duration(game.duration)}</span>
              <time class="muted small push" dateTime={game.played_at}>
                {dateTime(game.played_at)}
              </time>
            </li>
          ))}
        </ul>
      )}
      {games.length > shown.value && (
        <button
          type="button"
          class="small"
          onClick={() => {
            shown.value += SHOWN_GAMES * 2;
          }}
        >
          {t("more")}
        </button>
      )}
      {isRecording.value && (
        <Dialog title={t("recordGame")} onClose={close}>
          <RecordGame
            id={id}
            onDone={() => {
              close();
              void onRecorded();
            }}
          />
        </Dialog>
      )}
    </section>
  );
}

function RecordGame({ id, onDone }: { readonly id: string; readonly onDone: () => void }) {
  const save = (data: FormData) =>
    call("POST", `/users/${id}/games`, {
      body: {
        role: textOf(data, "role"),
        result: textOf(data, "result"),
        duration: Math.round(Number(textOf(data, "minutes")) * 60),
      },
    });
  return (
    <Form submit={t("record")} save={save} onDone={onDone}>
      <Field name="role" label={t("role")} hint={t("roleHint")} required maxLength={64} />
      <Select
        name="result"
        label={t("result")}
        value="win"
        options={[
          ["win", t("win")],
          ["loss", t("loss")],
          ["draw", t("draw")],
        ]}
      />
      <Field name="minutes" type="number" label={t("durationMinutes")} value="30" min={0} required />
    </Form>
  );
}
