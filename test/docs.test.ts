import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { openApiDocument } from "../src/openapi.ts";
import { PUBLIC_URL, startTestApp, type TestApp } from "./support/app.ts";
import { type RunningServer, startServer, temporaryFolder } from "./support/server.ts";
import { requireTool } from "./support/tools.ts";

const ROOT = join(import.meta.dir, "..");
const YEAR = "public, max-age=31536000, immutable";
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The addresses that the page loads. */
const linked = (html: string): string[] =>
  [...html.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map(([, path = ""]) => path);

describe("the page and its files", () => {
  let app: TestApp;
  beforeEach(async () => {
    app = await startTestApp();
  });
  afterEach(() => app.close());

  const get = (path: string, headers: Record<string, string> = {}) =>
    app.fetch(new Request(PUBLIC_URL + path, { headers }));

  test.each(["/docs", "/docs/"])("%s is the page, asked for again each time", async (path) => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("Content-Security-Policy")).toBe(POLICY);
    expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(response.headers.get("Cache-Control")).toBe("no-cache");
    const html = await response.text();
    expect(html).toContain('<div id="swagger-ui">');
    expect(html).not.toMatch(/<script>|<style|style=|\son\w+=|https?:/);
  });

  test("its files have their types, and addresses that change with their bytes", async () => {
    const files = linked(await (await get("/docs")).text());
    const types = await Promise.all(
      files.map(async (path) => {
        const response = await get(path);
        expect([path, response.status]).toEqual([path, 200]);
        expect(response.headers.get("Cache-Control")).toBe(YEAR);
        expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
        const hash = new Bun.CryptoHasher("sha256").update(await response.bytes()).digest("hex");
        expect(path).toContain(`-${hash.slice(0, 16)}.`);
        return response.headers.get("Content-Type");
      }),
    );
    expect(types.sort()).toEqual([
      "image/png",
      "text/css; charset=utf-8",
      "text/javascript; charset=utf-8",
      "text/javascript; charset=utf-8",
    ]);
  });

  test.each([
    ["gzip, deflate, br", true],
    ["br;q=1, gzip;q=0.5", true],
    ["GZIP", true],
    ["", false],
    ["br", false],
    ["gzip;q=0", false],
    ["gzip; q=0.000", false],
  ])("with Accept-Encoding %p the bytes are the same, zipped: %p", async (accepted, zipped) => {
    for (const path of ["/docs", ...linked(await (await get("/docs")).text())]) {
      const plain = await (await get(path)).bytes();
      const response = await get(path, { "Accept-Encoding": accepted });
      expect(response.headers.get("Content-Encoding")).toBe(zipped ? "gzip" : null);
      expect(response.headers.get("Vary")).toBe("Accept-Encoding");
      const sent = await response.bytes();
      expect(Buffer.compare(zipped ? Bun.gunzipSync(new Uint8Array(sent)) : sent, plain)).toBe(0);
    }
  });

  test("what is known is not sent again, and a tag stands for one coding only", async () => {
    for (const path of ["/docs", ...linked(await (await get("/docs")).text())]) {
      const plain = (await get(path)).headers.get("ETag") ?? "";
      const zipped = (await get(path, { "Accept-Encoding": "gzip" })).headers.get("ETag") ?? "";
      expect(plain).toMatch(/^"[\w-]+"$/);
      expect(zipped).not.toBe(plain);
      const again = await get(path, { "If-None-Match": `"other", W/${plain}` });
      expect([again.status, await again.text(), again.headers.get("ETag")]).toEqual([304, "", plain]);
      expect(again.headers.get("Cache-Control")).toBe(path === "/docs" ? "no-cache" : YEAR);
      const other = await get(path, { "If-None-Match": plain, "Accept-Encoding": "gzip" });
      expect(other.status).toBe(200);
    }
  });

  test("what is not there is 404, and the page is only read", async () => {
    for (const path of ["/docs/nothing.js", "/docs/../package.json", "/docs/script.js", "/docss"]) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
    expect((await app.call("POST", "/docs", { body: {} })).status).toBe(405);
  });
});

describe("in the executable, started somewhere else", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: RunningServer;

  beforeAll(async () => {
    folder = temporaryFolder();
    const program = join(folder.path, "guildhall");
    const built = Bun.spawn(["bun", "run", "build"], { cwd: ROOT, stdout: "ignore", stderr: "pipe" });
    if ((await built.exited) !== 0) throw new Error(await new Response(built.stderr).text());
    await copyFile(join(ROOT, "dist/guildhall"), program);
    const elsewhere = join(folder.path, "elsewhere");
    await mkdir(elsewhere);
    server = await startServer({
      dataDir: join(folder.path, "data"),
      command: [program],
      cwd: elsewhere,
      args: ["--no-worker"],
    });
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
    await folder.remove();
  });

  test("the page and every file of it are the same as without it", async () => {
    const app = await startTestApp();
    try {
      const html = await (await fetch(`${server.url}/docs`)).text();
      expect(linked(html)).toHaveLength(4);
      for (const path of ["/docs", ...linked(html)]) {
        const [compiled, plain] = await Promise.all([
          fetch(server.url + path),
          app.fetch(new Request(PUBLIC_URL + path)),
        ]);
        expect([path, compiled.status]).toEqual([path, 200]);
        expect(Buffer.compare(await compiled.bytes(), await plain.bytes())).toBe(0);
      }
    } finally {
      await app.close();
    }
  });

  describe("in a browser", () => {
    let profile: ReturnType<typeof temporaryFolder>;
    let browser: Browser | undefined;
    const isThere = requireTool("chromium");
    const open = isThere ? test : test.skip;

    beforeAll(async () => {
      if (!isThere) return;
      profile = temporaryFolder();
      browser = await chromium.launch({
        executablePath: Bun.which("chromium") ?? "",
        args: [
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          "--host-resolver-rules=MAP guildhall.test 127.0.0.1",
        ],
        env: { PATH: process.env.PATH ?? "", HOME: profile.path },
      });
    }, 120_000);
    afterAll(async () => {
      await browser?.close();
      await profile?.remove();
    });

    // Under a name: Swagger UI leaves out on 127.0.0.1 what it would ask other hosts for.
    const address = () => server.url.replace("127.0.0.1", "guildhall.test");

    /** A page, and everything that it may not do but did. */
    async function watchedPage(): Promise<{ page: Page; wrongs: () => Promise<string[]>; asked: string[] }> {
      if (browser === undefined) throw new Error("there is no browser");
      const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
      const wrongs: string[] = [];
      const asked: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") wrongs.push(message.text());
      });
      page.on("pageerror", (error) => void wrongs.push(String(error)));
      page.on("request", (request) => {
        asked.push(request.url());
        if (!request.url().startsWith(`${address()}/`) && !request.url().startsWith("data:")) {
          wrongs.push(`a request to ${request.url()}`);
        }
      });
      await page.addInitScript(() => {
        globalThis.addEventListener("securitypolicyviolation", (event) => {
          const { effectiveDirective, blockedURI } = event as Event & Record<string, unknown>;
          console.error(`the policy forbids: ${effectiveDirective} ${blockedURI}`);
        });
      });
      // What the page itself says arrives after the action that caused it.
      const settled = async () => {
        await page.waitForLoadState("networkidle");
        return wrongs;
      };
      return { page, wrongs: settled, asked };
    }

    open(
      "every operation is shown, and nothing is asked of another host",
      async () => {
        const { page, wrongs, asked } = await watchedPage();
        await page.goto(`${address()}/docs`);
        await page.locator(".opblock").first().waitFor();
        const operations = Object.values(openApiDocument().paths ?? {}).flatMap((item) => Object.keys(item));
        // One that two APIs share is shown under both.
        expect(await page.locator(".opblock").count()).toBe(operations.length + 2);
        expect(await page.locator(".opblock-tag").count()).toBe(7);
        expect(await page.locator(".title").first().textContent()).toContain("Guildhall");
        expect(await wrongs()).toEqual([]);
        expect(asked).toContain(`${address()}/openapi.json`);
        await page.close();
      },
      30_000,
    );

    open(
      "a request can be tried out, with a token too",
      async () => {
        const { page, wrongs } = await watchedPage();
        await page.goto(`${address()}/docs`);
        await page.locator(".btn.authorize").click();
        await page.locator(".auth-container input").fill("junk");
        await page.locator(".auth-btn-wrapper .authorize").click();
        await page.locator(".auth-btn-wrapper .btn-done").click();
        const operation = page.locator("#operations-players-playersListUsers");
        await operation.locator(".opblock-summary-control").click();
        await operation.locator(".try-out__btn").click();
        const [answer] = await Promise.all([
          page.waitForResponse(`${address()}/users`),
          operation.locator(".execute").click(),
        ]);
        expect(answer.status()).toBe(200);
        await operation.locator(".live-responses-table .response-col_status").first().waitFor();
        expect(await operation.locator(".live-responses-table").textContent()).toContain("x-request-id");
        expect(await wrongs()).toEqual([]);
        await page.close();
      },
      30_000,
    );

    open(
      "what the policy forbids would be seen here",
      async () => {
        const { page, wrongs } = await watchedPage();
        await page.goto(`${address()}/docs`);
        await page.evaluate('document.body.setAttribute("style", "color: red")');
        await page.evaluate('fetch("http://127.0.0.2:1/").catch(() => {})');
        const seen = (await wrongs()).join("\n");
        expect(seen).toContain("style-src-attr");
        expect(seen).toContain("connect-src");
        await page.close();
      },
      30_000,
    );
  });
});
