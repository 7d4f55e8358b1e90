import { get } from "../api.ts";
import { findPerson } from "../find-person.ts";
import { number, t } from "../i18n.ts";
import { useLoad } from "../load.ts";
import { go, playerPath } from "../router.ts";
import { account } from "../session.ts";
import type { RankedPlayer } from "../shapes.ts";
import { Field, Form, textOf } from "../ui/form.tsx";
import { Avatar, Empty, Shown, Title } from "../ui/parts.tsx";

const SHOWN = 50;

export function Players() {
  const best = useLoad("", (signal) => get<RankedPlayer[]>(`/users/leaderboard?limit=${SHOWN}`, signal));
  const own = account.value?.person.id;
  async function find(data: FormData): Promise<void> {
    const person = await findPerson(textOf(data, "username"));
    go(`/players/${person.id}`);
  }
  return (
    <>
      <Title
        text={t("players")}
        aside={
          own !== undefined && (
            <a class="button primary" href={`/players/${own}`}>
              {t("myPage")}
            </a>
          )
        }
      />
      <Form class="card filters" submit={t("find")} save={find} label={t("findPlayer")}>
        <Field name="username" type="search" label={t("findPlayer")} required maxLength={64} />
      </Form>
      <section class="card" aria-labelledby="board">
        <h2 id="board">{t("leaderboard")}</h2>
        <Shown of={best} lines={8}>
          {(players) =>
            players.length === 0 ? (
              <Empty icon="players" text={t("noPlayers")} />
            ) : (
              <Board players={players} />
            )
          }
        </Shown>
      </section>
    </>
  );
}

function Board({ players }: { readonly players: readonly RankedPlayer[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t("rank")}</th>
          <th scope="col">{t("player")}</th>
          <th scope="col" class="number">
            {t("victories")}
          </th>
        </tr>
      </thead>
      <tbody>
        {players.map((player) => (
          <tr key={player.self}>
            <td>
              <span class="rank">{number(player.rank)}</span>
            </td>
            <td>
              <span class="row-flex">
                <Avatar name={player.username} src={player.profile_pic} size="small" />
                <a class="row-link" href={playerPath(player)}>
                  {player.username}
                </a>
              </span>
            </td>
            <td class="number">{number(player.victory_count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
