import { PASSWORD } from "../../../test/support/chat.ts";
import type { Request, Result } from "../caller.ts";
import { createWrites, type Writes } from "../writes.ts";
import { again, forAll, oneOf, type Traffic, type World } from "./traffic.ts";

type Way = "accounts" | "stats" | "players" | "cabinet" | "chat";
const WAYS: readonly Way[] = ["accounts", "stats", "players", "cabinet", "chat"];

type Person = {
  readonly way: Way;
  readonly username: string;
  readonly email: string;
  /** Whether the account exists; where it does it is `active` or deactivated. */
  readonly isHere: Writes<boolean>;
  readonly isActive: Writes<boolean>;
  /** Of the stats API, whose accounts have no password. */
  refreshToken: string | null;
  /** The path by which the account can be deleted, where registration told it. */
  path: string | null;
};

type Session = {
  readonly person: Person;
  readonly request: Pick<Request, "token" | "headers">;
  readonly isAlive: Writes<boolean>;
};

const FIRST_NAME = "Иван";
const LAST_NAME = "Петров";
// Each costs an argon2 hash, and at the end another one.
const PAUSE_MS = 700;
const MAX_SESSIONS = 600;

/** People who come through all APIs, sign in through another one, sign out, and leave for good. */
export function people(world: World): Traffic {
  const { caller, findings, random } = world;
  const all: Person[] = [];
  const sessions: Session[] = [];
  const counts = { registered: 0, signedIn: 0, signedOut: 0, deleted: 0 };

  async function register(): Promise<Person> {
    const way = oneOf(random, WAYS) ?? "accounts";
    const username = `${way}_${all.length + 1}`;
    const person: Person = {
      way,
      username,
      email: `${username}@example.org`,
      isHere: createWrites(false),
      isActive: createWrites(true),
      refreshToken: null,
      path: null,
    };
    all.push(person);
    const [path, body] = FORMS[way](person);
    for (let tries = 1; tries <= 2; tries++) {
      const settle = person.isHere.begin(true);
      // Who was not answered tries again, and may hear that the name is taken: by themselves.
      const taken = way === "cabinet" ? 403 : 409;
      const expected = tries === 1 ? [200, 201] : [200, 201, taken];
      const result = await caller.call(username, "POST", path, { body, expected });
      settle(result, (status) => status < 300 || status === taken);
      if (result.kind === "answered") {
        counts.registered += 1;
        registered(person, result);
        break;
      }
      if (random() < 0.5) break;
    }
    return person;
  }

  function registered(person: Person, result: Result): void {
    if (result.kind === "unknown" || result.status >= 300) return;
    const { body } = result;
    switch (person.way) {
      case "stats":
        person.refreshToken = body.result.refresh_token;
        return;
      case "accounts":
        person.path = `/api/users/${body.data.id}`;
        return;
      case "players":
        person.path = body.self;
        opened(person, { token: body.token });
        return;
      case "cabinet":
        person.path = `/users/${body.id}`;
        opened(person, { token: body.token });
        return;
      case "chat":
        person.path = `/users/${body.id}`;
    }
  }

  function opened(person: Person, request: Session["request"]): Session {
    const session: Session = { person, request, isAlive: createWrites(true) };
    sessions.push(session);
    return session;
  }

  async function signIn(person: Person): Promise<Session | null> {
    const [path, request] = signInOf(person, oneOf(random, SIGN_INS) ?? "accounts");
    const result = await caller.call(person.username, "POST", path, request);
    if (result.kind === "unknown" || result.status !== 200) return null;
    counts.signedIn += 1;
    const cookie = /^jwt=[^;]+/.exec(result.headers.getSetCookie()[0] ?? "")?.[0];
    const { body } = result;
    const token: string | undefined = body.access_token ?? body.token ?? body.result?.access_token;
    // The stats API's tokens are all of the session that registration made, and it lives until it is revoked.
    if (person.way === "stats") return null;
    return opened(
      person,
      cookie === undefined ? { ...(token ? { token } : {}) } : { headers: { Cookie: cookie } },
    );
  }

  async function signOut({ person, request, isAlive }: Session): Promise<void> {
    const settle = isAlive.begin(false);
    const isChat = request.headers !== undefined;
    const [method, path] = isChat ? ["GET", "/api/users/logout"] : ["POST", "/api/auth/logout"];
    const result = await caller.call(person.username, method, path, { ...request, expected: [200] });
    settle(result);
    if (result.kind === "answered") counts.signedOut += 1;
  }

  async function leave(person: Person, { request }: Session): Promise<void> {
    if (person.path === null) return;
    const settle = person.isActive.begin(false);
    const result = await caller.call(person.username, "DELETE", person.path, { ...request, expected: [204] });
    settle(result);
    if (result.kind === "answered") counts.deleted += 1;
  }

  const mayBeAlive = ({ isAlive, person }: Session) => ({
    alive: isAlive.possible().includes(true) && person.isActive.possible().includes(true),
    dead: isAlive.possible().includes(false) || person.isActive.possible().includes(false),
  });

  async function look(session: Session): Promise<void> {
    // Before it is asked: what is signed out meanwhile may be answered either way.
    const before = mayBeAlive(session);
    const { status } = await caller.insist(session.person.username, "GET", "/api/users/me", {
      ...session.request,
      expected: [200, 401],
    });
    const after = mayBeAlive(session);
    if (status === 200 && !before.alive) {
      findings.add("what was revoked stays revoked", `a session of ${session.person.username}`);
    }
    if (status === 401 && !after.dead) {
      findings.add("who signed in stays signed in", `a session of ${session.person.username}`);
    }
  }

  async function comeAndGo(): Promise<void> {
    const person = await register();
    if (!person.isHere.possible().includes(false)) {
      const session = await signIn(person);
      if (session !== null && random() < 0.3) await signOut(session);
      else if (session !== null && random() < 0.15) await leave(person, session);
    }
    const known = oneOf(random, sessions);
    if (known !== undefined) await look(known);
  }

  async function checkPerson(person: Person): Promise<void> {
    const [path, request] = signInOf(person, "accounts");
    if (person.way === "stats" && person.refreshToken === null) return;
    const { status } = await caller.insist(person.username, "POST", path, {
      ...request,
      expected: [200, 401, 403],
    });
    const [here, active] = [person.isHere.possible(), person.isActive.possible()];
    const can = new Set([
      ...(here.includes(false) ? [401] : []),
      ...(here.includes(true) && active.includes(true) ? [200] : []),
      // With a dead account the stats API's token is dead.
      ...(here.includes(true) && active.includes(false) ? [person.way === "stats" ? 401 : 403] : []),
    ]);
    if (!can.has(status)) {
      findings.add(
        "every registered account signs in",
        `${person.username}: ${status}, possible were ${[...can].join(" and ")}`,
      );
    }
  }

  return {
    run: async () => {
      await Promise.all([again(world, PAUSE_MS, comeAndGo), again(world, PAUSE_MS, comeAndGo)]);
    },
    async check() {
      await forAll(all, checkPerson);
      await forAll(sessions.slice(-MAX_SESSIONS), look);
    },
    figures: () => counts,
  };
}

const FORMS: Readonly<Record<Way, (person: Person) => [path: string, body: object]>> = {
  accounts: ({ email, username }) => [
    "/api/auth/register",
    { email, username, password: PASSWORD, full_name: "Some Body" },
  ],
  stats: ({ email, username }) => ["/api/auth/register", { email, username, sex: "x" }],
  players: ({ email, username }) => ["/users", { email, username, password: PASSWORD }],
  cabinet: ({ email, username }) => [
    "/account/registration",
    { email, login: username, password: PASSWORD, first_name: FIRST_NAME, last_name: LAST_NAME },
  ],
  chat: ({ email, username }) => ["/api/users/signup", { email, username, password: PASSWORD }],
};

const SIGN_INS = ["accounts", "players", "cabinet", "chat"] as const;

/** The path and the request by which somebody signs in through this API; without a password there is one way. */
function signInOf(person: Person, way: (typeof SIGN_INS)[number]): [path: string, request: Request] {
  const { username, email, refreshToken } = person;
  const expected = [200];
  if (person.way === "stats") {
    return ["/api/auth/issue-access-token", { ...(refreshToken ? { token: refreshToken } : {}), expected }];
  }
  switch (way) {
    case "accounts":
      return ["/api/auth/login", { body: { username, password: PASSWORD }, expected }];
    case "players":
      return ["/login", { body: { username, password: PASSWORD }, expected }];
    case "cabinet":
      return ["/account/login", { body: { email, password: PASSWORD }, expected }];
    case "chat":
      return ["/api/users/signin", { body: { email, password: PASSWORD }, expected }];
  }
}
