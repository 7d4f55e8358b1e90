import { expect } from "bun:test";
import * as accounts from "../../src/domain/accounts.ts";
import { admin, staff } from "../accounts/people.ts";
import type { Answer, Call, TestApp } from "../support/app.ts";

export const PASSWORD = "rahasia";

export type Chatter = {
  readonly id: number;
  readonly username: string;
  readonly token: string;
  call(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answer>;
  /** The same, and throws for any other status. */
  must(status: number, method: string, path: string, body?: object): Promise<Answer>;
};

export function must(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer;
  throw new Error(`${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`);
}

/** The token in the cookie that an answer sets. */
export function cookieOf({ headers }: Answer): string {
  const token = /^jwt=([^;]+)/.exec(headers.get("Set-Cookie") ?? "")?.[1];
  if (token === undefined) throw new Error("the answer sets no cookie");
  return token;
}

export const signUp = (app: TestApp, username: string, more: object = {}) =>
  app.call("POST", "/api/users/signup", {
    body: { username, email: `${username}@example.com`, password: PASSWORD, ...more },
  });

export const signIn = (app: TestApp, username: string, more: object = {}) =>
  app.call("POST", "/api/users/signin", {
    body: { email: `${username}@example.com`, password: PASSWORD, ...more },
  });

/** Signs somebody up and in through the chat API; the address is `<username>@example.com`. */
export async function chatter(app: TestApp, username: string): Promise<Chatter> {
  must(await signUp(app, username), 200);
  const signedIn = must(await signIn(app, username), 200);
  return withToken(app, signedIn.body.id, username, cookieOf(signedIn));
}

export function withToken(app: TestApp, id: number, username: string, token: string): Chatter {
  const call: Chatter["call"] = (method, path, body, headers) => {
    const more: Call = {
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    };
    return app.call(method, path, { token, ...more });
  };
  return {
    id,
    username,
    token,
    call,
    must: async (status, method, path, body) => must(await call(method, path, body), status),
  };
}

/** What asks for a WebSocket; an app in this process answers 426 to what is let in. */
export const HANDSHAKE = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** What an answer is compared by. */
export const told = ({ status, body }: Answer): unknown[] => [status, body];

/** The same of a failure, as this API spells every one. */
export const refused = (status: number): unknown[] => [status, { error: expect.any(String) }];

/** Somebody from the accounts API with this permission, who is nothing in any room. */
export async function withPermission(app: TestApp, permission: string, name: string): Promise<Chatter> {
  const made = await staff(app, await admin(app, `boss-of-${name}`), name, [permission]);
  const { id, username } = await accounts.getByEmail(app.core, made.email);
  return withToken(app, id, username, made.token);
}

export type Room = {
  readonly path: string;
  readonly owner: Chatter;
  readonly helper: Chatter;
  readonly ann: Chatter;
  readonly ben: Chatter;
};

/** Room 1 with its owner, one more moderator, and two who only talk. */
export async function roomWithPeople(app: TestApp): Promise<Room> {
  const path = "/ws/rooms/1";
  const owner = await chatter(app, "owner");
  const helper = await chatter(app, "helper");
  const ann = await chatter(app, "ann");
  const ben = await chatter(app, "ben");
  await owner.must(200, "POST", "/ws/create-room", { id: 1, name: "room1" });
  await owner.must(204, "PUT", `${path}/moderators/${helper.id}`);
  return { path, owner, helper, ann, ben };
}
