import { PASSWORD } from "../../../test/support/chat.ts";
import { createWrites, type Writes } from "../writes.ts";
import { again, oneOf, type Traffic, type World } from "./traffic.ts";

const PLAYERS = 4;
const PAUSE_MS = 60;
const PAGE = 100;
const RESULTS = ["win", "loss", "draw"] as const;

type Sent = { readonly result: (typeof RESULTS)[number]; readonly duration: number; isAnswered: boolean };

export type Player = {
  readonly username: string;
  readonly id: number;
  readonly uuid: string;
  readonly token: string;
};

type Field = {
  readonly name: string;
  readonly written: Writes<string | null>;
  write(value: string): readonly [method: string, path: string, body: object];
  read: readonly [path: string, pick: (body: Record<string, unknown>) => unknown];
};

/** Makes the account and signs it in, however often it takes. */
export async function joined({ caller }: World, username: string): Promise<Player> {
  await caller.insist(username, "POST", "/users", {
    body: { username, email: `${username}@example.org`, password: PASSWORD },
    expected: [201, 409],
  });
  const { body } = await caller.insist(username, "POST", "/login", {
    body: { username, password: PASSWORD },
    expected: [200],
  });
  const me = await caller.insist(username, "GET", "/api/users/me", { token: body.token, expected: [200] });
  return { username, id: Number(body.user.split("/")[1]), uuid: me.body.id, token: body.token };
}

/** Players who record their games, and write to their profiles through three APIs. */
export function players(world: World): Traffic & { readonly known: readonly Player[] } {
  const { caller, findings, random } = world;
  const known: Player[] = [];
  const games = new Map<Player, Map<string, Sent>>();
  const fields = new Map<Player, readonly Field[]>();
  const counts = { games: 0, gamesUnknown: 0, profileWrites: 0 };
  let serial = 0;

  async function play(player: Player, own: Map<string, Sent>): Promise<void> {
    serial += 1;
    // The role is free text: here it is the game's name.
    const role = `game ${serial}`;
    const sent: Sent = {
      result: oneOf(random, RESULTS) ?? "win",
      duration: Math.floor(random() * 3_600),
      isAnswered: false,
    };
    own.set(role, sent);
    const result = await caller.call(player.username, "POST", `/users/${player.id}/games`, {
      token: player.token,
      body: { role, result: sent.result, duration: sent.duration },
      expected: [201],
    });
    sent.isAnswered = result.kind === "answered";
    counts[sent.isAnswered ? "games" : "gamesUnknown"] += 1;
  }

  async function edit(player: Player, field: Field): Promise<void> {
    serial += 1;
    const value = `https://example.org/${serial}`;
    const settle = field.written.begin(value);
    const [method, path, body] = field.write(value);
    const { token, username } = player;
    settle(await caller.call(username, method, path, { token, body, expected: [200] }));
    counts.profileWrites += 1;
    if (random() < 0.3) await read(player, field);
  }

  /** Nobody else writes to it: what is read must be what was written last, or what may have been. */
  async function read(
    { username, token }: Player,
    { name, written, read: [path, pick] }: Field,
  ): Promise<void> {
    const { body } = await caller.insist(username, "GET", path, { token, expected: [200] });
    const value = pick(body);
    const possible: unknown[] = written.possible();
    if (possible.includes(value)) return;
    findings.add(
      "a profile has what was written last",
      `${name} of ${username}: ${value} instead of ${possible}`,
    );
  }

  async function live(index: number): Promise<void> {
    const player = await joined(world, `player_${index}`);
    const own = new Map<string, Sent>();
    const edited = fieldsOf(player);
    known.push(player);
    games.set(player, own);
    fields.set(player, edited);
    await again(world, PAUSE_MS, async () => {
      const field = oneOf(random, edited);
      await (random() < 0.7 || field === undefined ? play(player, own) : edit(player, field));
    });
  }

  async function checkGames(player: Player, own: ReadonlyMap<string, Sent>): Promise<void> {
    const { id, username, token } = player;
    const stored = new Map<string, number>();
    const sums = { loss_count: 0, session_count: 0, total_time: 0, victory_count: 0 };
    let before = "";
    for (;;) {
      const path = `/users/${id}/games?limit=${PAGE}${before}`;
      const { body } = await caller.insist(username, "GET", path, { token, expected: [200] });
      for (const game of body) {
        stored.set(game.role, (stored.get(game.role) ?? 0) + 1);
        sums.session_count += 1;
        sums.total_time += game.duration;
        sums.victory_count += game.result === "win" ? 1 : 0;
        sums.loss_count += game.result === "loss" ? 1 : 0;
        const sent = own.get(game.role);
        if (sent === undefined || sent.result !== game.result || sent.duration !== game.duration) {
          findings.add("every game is as it was sent", `${username}: ${JSON.stringify(game)}`);
        }
      }
      if (body.length < PAGE) break;
      before = `&before=${body.at(-1).id}`;
    }
    for (const [role, { isAnswered }] of own) {
      const times = stored.get(role) ?? 0;
      if (times > 1 || (isAnswered && times === 0)) {
        findings.add("every answered game is stored once", `${role} of ${username}: ${times} times`);
      }
    }
    const { body } = await caller.insist(username, "GET", `/users/${id}/stats`, { token, expected: [200] });
    if (!Bun.deepEquals(body, sums)) {
      findings.add(
        "counters are the sum of the games",
        `${username}: ${JSON.stringify(body)} instead of ${JSON.stringify(sums)}`,
      );
    }
  }

  return {
    known,
    run: async () => {
      await Promise.all(Array.from({ length: PLAYERS }, (_, index) => live(index)));
    },
    async check() {
      for (const [player, own] of games) await checkGames(player, own);
      for (const [player, edited] of fields) for (const field of edited) await read(player, field);
    },
    figures: () => counts,
  };
}

function fieldsOf({ id, uuid }: Player): readonly Field[] {
  return [
    {
      name: "avatar_url",
      written: createWrites<string | null>(null),
      write: (value) => ["PATCH", `/users/${id}`, { profile_pic: value }],
      read: ["/api/users/me", (body) => body.avatar_url],
    },
    {
      name: "location",
      written: createWrites<string | null>(null),
      write: (value) => ["PUT", `/api/users/${uuid}`, { location: value }],
      read: ["/api/users/me", (body) => body.location],
    },
    {
      name: "description",
      written: createWrites<string | null>(""),
      write: (value) => ["POST", "/account/edit/info", { description: value }],
      read: ["/account/me", (body) => body.description],
    },
  ];
}
