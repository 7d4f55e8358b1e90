import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { brotliDecompressSync } from "node:zlib";
import { PUBLIC_URL, startTestApp, type TestApp } from "../support/app.ts";

const MAX_FIRST_SCRIPTS_BYTES = 60 * 1024;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const get = (path: string, headers: Record<string, string> = {}) =>
  app.fetch(new Request(PUBLIC_URL + path, { headers }));
const linked = (html: string): string[] =>
  [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path = ""]) => path);

const PAGES = [
  "/",
  "/login",
  "/login?invitation=x",
  "/reset-password?token=x",
  "/verify-email",
  "/chat",
  "/chat/7",
  "/players",
  "/players/1/",
  "/blog/some-post",
  "/profile",
  "/admin/users",
];

test.each(PAGES)("%s is the app, under a policy without anything inline", async (path) => {
  const response = await get(path);
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
  // An address with a secret is not kept.
  const isSecret = /^\/(login|reset-password|verify-email)/.test(path);
  expect(response.headers.get("Cache-Control")).toBe(isSecret ? "no-store" : "no-cache");
  expect(response.headers.get("Referrer-Policy")).toBe("no-referrer");
  expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
  expect(response.headers.get("Content-Security-Policy")).toBe(
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' ${PUBLIC_URL.replace("http", "ws")}; frame-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dompurify`,
  );
  expect(await response.text()).not.toMatch(/<script>|<style|style=|\son\w+=|https?:/);
});

test.each(["/nothing", "/users/1", "/assets/nothing.js", "/assets", "/players.html", "/loginx"])(
  "%s is not the app",
  async (path) => {
    expect((await get(path)).headers.get("Content-Type")).toStartWith("application/json");
  },
);

test("a page and its files are only read", async () => {
  const [file = ""] = linked(await (await get("/")).text());
  for (const path of ["/chat", file]) {
    const refused = await app.fetch(new Request(PUBLIC_URL + path, { method: "POST" }));
    expect([refused.status, refused.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
  }
});

test("its files are kept for a year under addresses that change with their bytes", async () => {
  const html = await (await get("/")).text();
  expect(linked(html).length).toBeGreaterThan(2);
  for (const path of linked(html)) {
    const response = await get(path);
    expect([path, response.status]).toEqual([path, 200]);
    expect(response.headers.get("Cache-Control")).toBe("public, max-age=31536000, immutable");
    expect(path).toMatch(/-[0-9a-z]{8,16}\.(js|css|svg)$/);
    const again = await get(path, { "If-None-Match": response.headers.get("ETag") ?? "" });
    expect([again.status, await again.text()]).toEqual([304, ""]);
  }
});

test.each([
  ["gzip, deflate, br", "br"],
  ["gzip", "gzip"],
  ["br;q=0, gzip", "gzip"],
  ["identity", null],
] as const)("with Accept-Encoding %p the same bytes come as %p", async (accepted, coding) => {
  for (const path of ["/", ...linked(await (await get("/")).text())]) {
    const plain = await (await get(path)).bytes();
    const response = await get(path, { "Accept-Encoding": accepted });
    expect(response.headers.get("Content-Encoding")).toBe(coding);
    const sent = new Uint8Array(await response.bytes());
    const read =
      coding === "br" ? brotliDecompressSync(sent) : coding === "gzip" ? Bun.gunzipSync(sent) : sent;
    expect(Buffer.compare(read, plain)).toBe(0);
  }
});

describe("size", () => {
  test("the scripts that the page names are below 60 KB, compressed by gzip", async () => {
    const scripts = linked(await (await get("/")).text()).filter((path) => path.endsWith(".js"));
    const sizes = await Promise.all(
      scripts.map(async (path) => (await (await get(path, { "Accept-Encoding": "gzip" })).bytes()).length),
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(5_000);
    expect(total).toBeLessThan(MAX_FIRST_SCRIPTS_BYTES);
  });
});
