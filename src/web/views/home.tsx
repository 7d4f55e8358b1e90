import { useEffect } from "preact/hooks";
import { get } from "../api.ts";
import { rooms } from "../chat/rooms.ts";
import type { OwnRoom } from "../chat/shapes.ts";
import { ago } from "../format.ts";
import { number, t } from "../i18n.ts";
import { useLoad } from "../load.ts";
import { playerPath } from "../router.ts";
import { account } from "../session.ts";
import type { ListedPost, Page, RankedPlayer } from "../shapes.ts";
import { Avatar, Empty, Shown, Title } from "../ui/parts.tsx";

const POSTS = 4;
const PLAYERS = 5;
const ROOMS = 4;

export function Home() {
  const posts = useLoad("", (signal) => get<Page<ListedPost>>(`/api/blogs/posts?limit=${POSTS}`, signal));
  const best = useLoad("", (signal) => get<RankedPlayer[]>(`/users/leaderboard?limit=${PLAYERS}`, signal));
  const who = account.value;
  useEffect(() => {
    if (who === null) document.title = "Guildhall";
  }, [who]);
  return (
    <>
      {who === null ? (
        <section class="hero">
          <h1>{t("heroTitle")}</h1>
          <p>{t("heroText")}</p>
          <div class="form-end">
            <a class="button primary" href="/login?sign-up=1">
              {t("signUp")}
            </a>
            <a class="button" href="/login">
              {t("signIn")}
            </a>
          </div>
        </section>
      ) : (
        <Title
          text={who === undefined ? "Guildhall" : t("hello", { name: who.me.full_name ?? who.person.login })}
        />
      )}
      <div class="columns">
        {rooms.value !== null && rooms.value.length > 0 && <Rooms rooms={rooms.value} />}
        <section class="card" aria-labelledby="latest">
          <header class="card-head">
            <h2 id="latest">{t("latestPosts")}</h2>
            <a href="/blog">{t("all")}</a>
          </header>
          <Shown of={posts}>
            {({ data }) =>
              data.length === 0 ? (
                <Empty icon="blog" text={t("noPosts")} />
              ) : (
                <ul class="rows">
                  {data.map((post) => (
                    <li key={post.id}>
                      <a class="row-link" href={`/blog/${post.id}`}>
                        {post.title}
                      </a>
                      <span class="muted small">
                        {post.author.full_name} · {ago(post.created_at)}
                      </span>
                    </li>
                  ))}
                </ul>
              )
            }
          </Shown>
        </section>
        <section class="card" aria-labelledby="best">
          <header class="card-head">
            <h2 id="best">{t("bestPlayers")}</h2>
            <a href="/players">{t("all")}</a>
          </header>
          <Shown of={best}>
            {(players) =>
              players.length === 0 ? (
                <Empty icon="players" text={t("noPlayers")} />
              ) : (
                <ol class="rows">
                  {players.map((player) => (
                    <li key={player.self} class="row-flex">
                      <span class="rank">{number(player.rank)}</span>
                      <Avatar name={player.username} src={player.profile_pic} size="small" />
                      <a class="row-link" href={playerPath(player)}>
                        {player.username}
                      </a>
                      <span class="muted small push">{t("wins", { n: player.victory_count })}</span>
                    </li>
                  ))}
                </ol>
              )
            }
          </Shown>
        </section>
      </div>
    </>
  );
}

/** Those with something new first. */
function Rooms({ rooms: all }: { readonly rooms: readonly OwnRoom[] }) {
  const shown = [...all].sort((one, other) => other.unread - one.unread).slice(0, ROOMS);
  return (
    <section class="card" aria-labelledby="rooms">
      <header class="card-head">
        <h2 id="rooms">{t("myRooms")}</h2>
        <a href="/chat">{t("all")}</a>
      </header>
      <ul class="rows">
        {shown.map((room) => (
          <li key={room.id} class="row-flex">
            <a class="row-link" href={`/chat/${room.id}`}>
              {room.name}
            </a>
            <span class="muted small push">
              {room.unread > 0 ? t("unreadMessages", { n: room.unread }) : t("here", { n: room.members })}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
