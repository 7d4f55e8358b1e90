import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as accounts from "../../src/domain/accounts.ts";
import { DomainError } from "../../src/domain/errors.ts";
import { cleanUsername, usernameFromEmail, usernameKey } from "../../src/domain/names.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { admin, must } from "./people.ts";

const text = fc.string({ unit: "binary", maxLength: 80 });
const likely = fc.string({
  unit: fc.constantFrom(..."abÀé ıİßẞΣσςǅﬀＡ①K\u0301\u030c\u200b\u202e,/@\0"),
  maxLength: 70,
});
const anything = fc.oneof(text, likely);

/** The clean name; null where it is refused. */
function cleaned(raw: string): string | null {
  try {
    return cleanUsername(raw);
  } catch (error) {
    if (error instanceof DomainError && error.code === "usernameInvalid") return null;
    throw error;
  }
}
const clean = anything.map(cleaned).filter((name) => name !== null);

describe("a username", () => {
  test("that is clean stays as it is, is NFC, trimmed, and of 1 to 64 characters", () => {
    fc.assert(
      fc.property(clean, (name) => {
        expect(cleaned(name)).toBe(name);
        expect(name.normalize("NFC")).toBe(name);
        expect(name.trim()).toBe(name);
        expect([...name].length).toBeGreaterThan(0);
        expect([...name].length).toBeLessThanOrEqual(64);
        expect(name.isWellFormed()).toBe(true);
      }),
    );
  });

  test("holds nothing that separates or turns, nor does its key", () => {
    fc.assert(
      fc.property(clean, (name) => {
        for (const spelled of [name, usernameKey(name)])
          expect(spelled).not.toMatch(/[\p{Cc},/@\u202e\u2028]/u);
      }),
    );
  });

  test("has the same key in NFC and NFD, wide and narrow, as typed and in lower case", () => {
    fc.assert(
      fc.property(clean, (name) => {
        const key = usernameKey(name);
        expect(usernameKey(name.normalize("NFD"))).toBe(key);
        expect(usernameKey(name.normalize("NFKC"))).toBe(key);
        expect(usernameKey(name.normalize("NFKC").toLowerCase())).toBe(usernameKey(key));
      }),
    );
  });

  // "J" with a caron: lower-cased it composes to one character, which the key is to see.
  test("has the same key whatever the case, and the key of the key is the key", () => {
    fc.assert(
      fc.property(clean, (name) => {
        const key = usernameKey(name);
        expect(usernameKey(key)).toBe(key);
        expect(usernameKey(name.toLowerCase())).toBe(key);
        expect(usernameKey(name.toUpperCase())).toBe(key);
      }),
      { examples: [["J\u030c"], ["ΟΔΟΣ"], ["οδοσ"], ["straße"], ["STRASSE"]] },
    );
  });

  test("made from any address is clean, and so is each next try", () => {
    fc.assert(
      fc.property(anything, fc.nat({ max: 8 }), (local, tried) => {
        const name = usernameFromEmail(`${local}@example.com`, tried);
        expect(cleaned(name)).toBe(name);
      }),
    );
  });
});

describe("with an app", () => {
  let app: TestApp;
  afterEach(() => app.close());

  test("two names are both free exactly when their keys differ", async () => {
    app = await startTestApp();
    let made = 0;
    const register = async (username: string): Promise<boolean> => {
      made += 1;
      const form = { username, email: `u${made}@example.com`, password: null, origin: "shell" as const };
      return accounts.register(app.core, form).then(
        () => true,
        (error: unknown) => {
          if (error instanceof DomainError && error.code === "usernameTaken") return false;
          throw error;
        },
      );
    };
    const keys = new Set<string>();
    await fc.assert(
      fc.asyncProperty(clean, async (name) => {
        const isFree = !keys.has(usernameKey(name));
        expect(await register(name)).toBe(isFree);
        expect(await register(name.normalize("NFD"))).toBe(false);
        keys.add(usernameKey(name));
      }),
      { numRuns: 60 },
    );
  });

  test("walking all pages oldest first meets everybody once, whoever signs up meanwhile", async () => {
    app = await startTestApp();
    const boss = await admin(app);
    let made = 0;
    const signUp = async (sameTime: boolean): Promise<string> => {
      if (!sameTime) app.now += 1;
      made += 1;
      const email = `p${made}@example.com`;
      await accounts.register(app.core, { username: `p${made}`, email, password: null, origin: "shell" });
      return email;
    };
    const walk = fc.record({
      limit: fc.integer({ min: 1, max: 7 }),
      before: fc.array(fc.boolean(), { maxLength: 8 }),
      between: fc.array(fc.array(fc.boolean(), { maxLength: 3 }), { maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(walk, async ({ limit, before, between }) => {
        for (const sameTime of before) await signUp(sameTime);
        const present = await everybody(app);
        const seen: string[] = [];
        for (let page = 1; ; page++) {
          const query = `sort=created_at&limit=${limit}&page=${page}`;
          const { body } = must(await app.call("GET", `/api/users?${query}`, { token: boss.token }), 200);
          if (body.data.length === 0) break;
          for (const { email } of body.data) seen.push(email);
          for (const sameTime of between[page - 1] ?? []) await signUp(sameTime);
        }
        // Who comes after the page that they are on was read is not met; nobody is met twice, nor out of order.
        const after = await everybody(app);
        expect(seen.slice(0, present.length)).toEqual(present);
        expect(seen).toEqual(after.filter((email) => seen.includes(email)));
      }),
      { numRuns: 25 },
    );
  });
});

async function everybody(app: TestApp): Promise<string[]> {
  const emails: string[] = [];
  for await (const page of accounts.stream(app.core, "all")) for (const { email } of page) emails.push(email);
  return emails;
}
