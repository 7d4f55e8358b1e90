import { PASSWORD } from "../../../test/support/chat.ts";
import type { Answered } from "../caller.ts";
import { again, type Traffic, type World } from "./traffic.ts";

const FAMILIES = 4;
const PAUSE_MS = 250;
/** For so long the parent of the good token gives the same child again. */
const GRACE_MS = 10_000;

type Family = {
  readonly who: string;
  accessToken: string;
  /** The good one, or the one before where the answer was lost. */
  refreshToken: string;
  /** When the good one was sent first and nothing came back. */
  lostAt: number | null;
  /** Why it may have ended. */
  mayBeDead: string | null;
  older: string | null;
};

/** Refresh tokens that rotate: lost answers, two tabs, and now and then a thief. */
export function families(world: World): Traffic {
  const { caller, findings, random } = world;
  const counts = { refreshed: 0, answeredAgain: 0, reused: 0, families: 0 };
  const all: Family[] = [];

  async function signIn(who: string): Promise<Family> {
    const { body } = await caller.insist(who, "POST", "/api/auth/login", {
      body: { username: who, password: PASSWORD },
      expected: [200],
    });
    counts.families += 1;
    return {
      who,
      accessToken: body.access_token,
      refreshToken: body.refresh_token,
      lostAt: null,
      mayBeDead: null,
      older: null,
    };
  }

  const send = (family: Family, token: string) =>
    caller.call(family.who, "POST", "/api/auth/refresh", {
      body: { refresh_token: token },
      expected: [200, 401],
    });

  async function refresh(family: Family): Promise<void> {
    const token = family.refreshToken;
    const sentAt = performance.now();
    const result = await send(family, token);
    if (result.kind === "unknown") {
      family.lostAt ??= sentAt;
      return;
    }
    if (result.status === 200) {
      rotated(family, result);
      return;
    }
    // The one before may have been the good one for longer than the grace.
    if (family.lostAt !== null && result.endedAt - family.lostAt > GRACE_MS) {
      family.mayBeDead = "its answer was lost for longer than the grace";
    } else {
      findings.add("a refresh token that was never used is good", `${family.who} at ${sentAt.toFixed(0)}`);
      family.mayBeDead = "it was refused";
    }
  }

  function rotated(family: Family, { body }: Answered): void {
    counts.refreshed += 1;
    if (family.lostAt !== null) counts.answeredAgain += 1;
    family.older = family.refreshToken;
    family.refreshToken = body.refresh_token;
    family.accessToken = body.access_token;
    family.lostAt = null;
  }

  /** Two tabs send the same token: both hear of the same child. */
  async function refreshTwice(family: Family): Promise<void> {
    const token = family.refreshToken;
    const sentAt = performance.now();
    const results = await Promise.all([send(family, token), send(family, token)]);
    const answered = results.filter((result) => result.kind === "answered");
    const children = new Set(
      answered.filter(({ status }) => status === 200).map(({ body }) => body.refresh_token),
    );
    const isInTime = answered.every(({ endedAt }) => endedAt - (family.lostAt ?? sentAt) <= GRACE_MS);
    if (children.size > 1) findings.add("a refresh token has one child", family.who);
    const first = answered.find(({ status }) => status === 200);
    if (answered.some(({ status }) => status === 401)) {
      if (isInTime) findings.add("a refresh token that was never used is good", `${family.who}, in two tabs`);
      family.mayBeDead = "a tab was refused";
    } else if (first !== undefined) rotated(family, first);
    else family.lostAt ??= sentAt;
  }

  /** An old token ends the family, and says so even to who has the good one. */
  async function reuse(family: Family, token: string): Promise<void> {
    const result = await send(family, token);
    family.mayBeDead = "an old token was used";
    if (result.kind === "unknown") return;
    counts.reused += 1;
    if (result.status !== 401) findings.add("an old refresh token is refused", family.who);
    const { status } = await caller.insist(family.who, "GET", "/api/users/me", {
      token: family.accessToken,
      expected: [200, 401],
    });
    if (status !== 401) findings.add("what was revoked stays revoked", `the family of ${family.who}`);
  }

  async function live(index: number): Promise<void> {
    const who = `family_${index}`;
    await caller.insist(who, "POST", "/api/auth/register", {
      body: { username: who, email: `${who}@example.org`, password: PASSWORD, full_name: who },
      expected: [201, 409],
    });
    let family = await signIn(who);
    all[index] = family;
    let grandparent: string | null = null;
    await again(world, PAUSE_MS, async () => {
      if (family.mayBeDead !== null) {
        family = await signIn(who);
        all[index] = family;
        grandparent = null;
        return;
      }
      const kind = random();
      // The grandparent: of the parent it depends on the time.
      if (kind < 0.05 && grandparent !== null && family.lostAt === null) return reuse(family, grandparent);
      const before = family.older;
      await (kind < 0.15 ? refreshTwice(family) : refresh(family));
      if (family.older !== before) grandparent = before;
    });
  }

  return {
    run: async () => {
      await Promise.all(Array.from({ length: FAMILIES }, (_, index) => live(index)));
    },
    async check() {
      for (const family of all) {
        if (family.mayBeDead !== null) continue;
        const { status } = await caller.insist(family.who, "GET", "/api/users/me", {
          token: family.accessToken,
          expected: [200, 401],
        });
        if (status !== 200) findings.add("who signed in stays signed in", `the family of ${family.who}`);
        if (family.lostAt === null) await refresh(family);
      }
    },
    figures: () => counts,
  };
}
