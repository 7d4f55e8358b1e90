import type { TestApp } from "./app.ts";

const addressOf = (username: string) => username.replace(/[^\w-]/g, "") || "nobody";

type Person = { readonly token: string; readonly refreshToken: string; readonly uuid: string };

/** Signs somebody up through the stats API. */
export async function statsUser(app: TestApp, username: string, more: object = {}): Promise<Person> {
  const registered = await app.call("POST", "/api/auth/register", {
    body: { username, email: `${addressOf(username)}@example.org`, sex: "male", ...more },
  });
  if (registered.status !== 200) throw new Error(JSON.stringify(registered.body));
  const refreshToken: string = registered.body.result.refresh_token;
  const issued = await app.call("POST", "/api/auth/issue-access-token", { token: refreshToken });
  const token: string = issued.body.result.access_token;
  const me = await app.call("GET", "/api/users/myself", { token });
  return { token, refreshToken, uuid: me.body.result.id };
}

/** Signs somebody up through the players API. */
export async function player(
  app: TestApp,
  username: string,
  more: object = {},
): Promise<{ token: string; id: number }> {
  const created = await app.call("POST", "/users", {
    body: { username, password: "Secret-123", email: `${addressOf(username)}@example.org`, ...more },
  });
  if (created.status !== 201) throw new Error(JSON.stringify(created.body));
  return { token: created.body.token, id: Number(created.body.self.slice("/users/".length)) };
}
