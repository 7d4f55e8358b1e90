import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import * as accounts from "../src/domain/accounts.ts";
import * as avatars from "../src/domain/avatars.ts";
import { DomainError } from "../src/domain/errors.ts";
import { identicon } from "../src/domain/identicon.ts";
import { readPicture } from "../src/domain/pictures/picture.ts";
import * as sessions from "../src/domain/sessions.ts";
import { identify } from "../worker/pdf/badge.ts";
import { type Answer, PUBLIC_URL, startTestApp, type TestApp } from "./support/app.ts";
import { statsUser } from "./support/people.ts";

let app: TestApp;
let token: string;
beforeEach(async () => {
  app = await startTestApp();
  ({ token } = await person("danila_ginda"));
});
afterEach(() => app.close());

const MIB = 1024 * 1024;
const refusal = { errorMessage: expect.any(String) };
const fromBase64 = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
const bytesOf = (...parts: (string | readonly number[] | Uint8Array)[]) =>
  new Uint8Array(
    Buffer.concat(
      parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))),
    ),
  );

// Pictures of 3 × 2 pixels that an encoder made; those with EXIF say "at home" in it.
const JPEG = fromBase64(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////////////////////////////////////wAARCAACAAMDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAZEAADAAMAAAAAAAAAAAAAAAAAAQISIpH/xAAVAQEBAAAAAAAAAAAAAAAAAAACA//EABYRAQEBAAAAAAAAAAAAAAAAAAABMf/aAAwDAQACEQMRAD8AqYnFargAJnMf/9k=",
);
const JPEG_PROGRESSIVE = fromBase64(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////////////////////////////////////wgARCAACAAMDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAH/xAAVAQEBAAAAAAAAAAAAAAAAAAABAv/aAAwDAQACEAMQAAABol//xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAEFAn//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAEDAQE/AX//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAECAQE/AX//xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAY/An//xAAXEAEAAwAAAAAAAAAAAAAAAAABABEx/9oACAEBAAE/IQKyf//aAAwDAQACAAMAAAAQB//EABYRAAMAAAAAAAAAAAAAAAAAAAABMf/aAAgBAwEBPxBQ/8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAgBAgEBPxB//8QAFxAAAwEAAAAAAAAAAAAAAAAAABEhkf/aAAgBAQABPxBJGH//2Q==",
);
const JPEG_EXIF = fromBase64(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/4QBURXhpZgAATU0AKgAAAAgAAwEOAAIAAAAIAAAAMgESAAMAAAABAAYAAIglAAQAAAABAAAAOgAAAABhdCBob21lAAABAAEAAgAAAAJOAAAAAAAAAP/bAEMAUDc8RjwyUEZBRlpVUF94yIJ4bm549a+5kcj////////////////////////////////////////////////////bAEMBVVpaeGl464KC6//////////////////////////////////////////////////////////////////////////AABEIAAIAAwMBIgACEQEDEQH/xAAVAAEBAAAAAAAAAAAAAAAAAAAAAv/EABkQAAMAAwAAAAAAAAAAAAAAAAABAhIikf/EABUBAQEAAAAAAAAAAAAAAAAAAAID/8QAFhEBAQEAAAAAAAAAAAAAAAAAAAEx/9oADAMBAAIRAxEAPwCpicVquAAmcx//2Q==",
);
const WEBP = fromBase64(
  "UklGRjYAAABXRUJQVlA4ICoAAACwAQCdASoDAAIAB0CWJagCdAEO/gLsAPZCXD1hPellmTlWkk4dcqYAAAA=",
);
const WEBP_LOSSLESS = fromBase64(
  "UklGRjIAAABXRUJQVlA4TCUAAAAvAkAAAC8gFkyGlf8V4kANyvwHDwkyoJBtBDh0L8gZXET/41kBAA==",
);
const WEBP_EXIF = fromBase64(
  "UklGRpwAAABXRUJQVlA4WAoAAAAIAAAAAgAAAQAAVlA4ICoAAACwAQCdASoDAAIAB0CWJagCdAEO/gLsAPZCXD1hPellmTlWkk4dcqYAAABFWElGTAAAAE1NACoAAAAIAAMBDgACAAAACAAAADIBEgADAAAAAQAGAACIJQAEAAAAAQAAADoAAAAAYXQgaG9tZQAAAQABAAIAAAACTgAAAAAAAAA=",
);
const WEBP_ANIMATED = fromBase64(
  "UklGRiABAABXRUJQVlA4WAoAAAASAAAAAgAAAQAAQU5JTQYAAAAAAAAAAABBTk1GWgAAAAAAAAAAAAIAAAEAAAAAAAJBTFBIBwAAAAAKCgoKCgoAVlA4IDIAAAAwAQCdASoDAAIAAUAmJaAAA3AA/vLrf//5sD/28/8EegH//9Lg//6XB//0uD/0pAAAAEFOTUaSAAAAAAAAAAAAAgAAAQAAAAAAAFZQOCB6AAAAVAEAnQEqAwACAAAAJiWoAAWMAAD+7LP0f7Q//Chfp/xQf/4P3//z//8Nf7nixv+Mlv/4a/3HHfxkt//DX+447+Mlv/4a/3HHfxn//C1jP/hbAH/C2AP//ho0KVv8Ff7OmGfOAP/+WccD7//Jv/3m/Y3HA+//yb+QAAA=",
);

function chunk(type: string, data: Uint8Array): Uint8Array {
  const named = bytesOf(type, data);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(Bun.hash.crc32(named), 4);
  return bytesOf(ends.subarray(0, 4), named, ends.subarray(4));
}

/** A grey PNG. `more` stands before its pixels; without them it is still as large as it says. */
function png({ width = 3, height = 2, more = [] as Uint8Array[], pixels = true } = {}): Uint8Array {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  const data = pixels ? deflateSync(Buffer.alloc(height * (width + 1), 7)) : Buffer.alloc(0);
  return bytesOf(
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    chunk("IHDR", head),
    ...more,
    chunk("IDAT", data),
    chunk("IEND", new Uint8Array()),
  );
}
const PNG = png();

const PICTURES = [
  ["PNG", PNG, "png", "image/png"],
  ["JPEG", JPEG, "jpg", "image/jpeg"],
  ["progressive JPEG", JPEG_PROGRESSIVE, "jpg", "image/jpeg"],
  ["WebP", WEBP, "webp", "image/webp"],
  ["lossless WebP", WEBP_LOSSLESS, "webp", "image/webp"],
  ["animated WebP", WEBP_ANIMATED, "webp", "image/webp"],
] as const;

async function person(login: string): Promise<{ token: string; avatar: string }> {
  const answer = await app.call("POST", "/account/registration", {
    body: {
      login,
      password: "Secret-123",
      email: `${login}@example.org`,
      first_name: "Данила",
      last_name: "Гинда",
    },
  });
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  return answer.body;
}

type Part = { name?: string; filename?: string | null; type?: string; bytes: Uint8Array };
const BOUNDARY = "----a boundary of the tests".replaceAll(" ", "");

function multipart(...parts: Part[]): Uint8Array {
  const written = parts.map(({ name = "avatar", filename = "me.png", type = "image/png", bytes }) => {
    const file = filename === null ? "" : `; filename="${filename}"`;
    const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\nContent-Type: ${type}\r\n\r\n`;
    return bytesOf(head, bytes, "\r\n");
  });
  return bytesOf(...written, `--${BOUNDARY}--\r\n`);
}

async function post(
  body: Uint8Array | ReadableStream<Uint8Array>,
  headers: Record<string, string> = {},
  by = token,
): Promise<Answer> {
  const length = body instanceof Uint8Array ? { "Content-Length": String(body.length) } : {};
  const response = await app.fetch(
    new Request(`${PUBLIC_URL}/account/edit/avatar`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${by}`,
        "Content-Type": `multipart/form-data; boundary=${BOUNDARY}`,
        ...length,
        ...headers,
      },
      body: body instanceof Uint8Array ? bytesOf(body) : body,
    }),
  );
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const upload = (bytes: Uint8Array, part: Partial<Part> = {}, by = token) =>
  post(multipart({ bytes, ...part }), {}, by);

async function get(url: string, headers: Record<string, string> = {}, method = "GET") {
  const response = await app.fetch(new Request(url, { method, headers }));
  return {
    status: response.status,
    headers: response.headers,
    bytes: new Uint8Array(await response.arrayBuffer()),
  };
}

const me = async (by = token) => (await app.call("GET", "/account/me", { token: by })).body;

describe("a picture of one's own", () => {
  test.each(PICTURES)("%s is stored and served as what it is", async (_name, bytes, extension, type) => {
    const answer = await upload(bytes, { filename: "../../evil.svg", type: "text/html" });
    expect([answer.status, answer.body]).toEqual([200, { avatar: expect.any(String) }]);
    expect(answer.body.avatar).toMatch(
      new RegExp(`^${PUBLIC_URL}/avatars/avatar-[0-9a-f-]{36}-[0-9a-f]{32}\\.${extension}$`),
    );
    const served = await get(answer.body.avatar);
    expect(served.status).toBe(200);
    expect(Buffer.from(served.bytes).equals(Buffer.from(bytes))).toBe(true);
    expect(Object.fromEntries(served.headers)).toMatchObject({
      "content-type": type,
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'",
      "cache-control": "public, max-age=86400, immutable",
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
    });
    expect((await me()).avatar).toBe(answer.body.avatar);
    const [listed] = (await app.call("GET", "/info/users/")).body;
    expect(listed.avatar).toBe(answer.body.avatar);
  });

  test("a bare token, a quoted boundary, a slash at the end and other fields are no hindrance", async () => {
    const parts = [
      { name: "note", filename: null, bytes: bytesOf("hello") },
      { bytes: PNG },
      { name: "other", bytes: JPEG },
    ];
    const answer = await post(multipart(...parts), {
      Authorization: token,
      "Content-Type": `Multipart/Form-Data; charset=utf-8; boundary="${BOUNDARY}"`,
    });
    expect(answer.status).toBe(200);
    expect((await get(answer.body.avatar)).headers.get("Content-Type")).toBe("image/png");
  });

  test("another one takes its place, at another address with another ETag; the first is gone", async () => {
    const first = (await upload(PNG)).body.avatar;
    const { headers } = await get(first);
    const second = (await upload(JPEG)).body.avatar;
    expect(second).not.toBe(first);
    expect((await get(second)).headers.get("ETag")).not.toBe(headers.get("ETag"));
    expect((await get(first)).status).toBe(404);
    // An object that is to be deleted never becomes somebody's picture again.
    const third = (await upload(PNG)).body.avatar;
    expect(third).not.toBe(first);
    expect([(await get(first)).status, (await get(third)).status]).toEqual([404, 200]);
  });

  test("who knows it is told so without the bytes, as long as it stands", async () => {
    const url = (await upload(PNG)).body.avatar;
    const etag = (await get(url)).headers.get("ETag") ?? "";
    const read = spyOn(app.core.documents, "get");
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const answer = await get(url, { "If-None-Match": known });
      expect([known, answer.status, answer.bytes.length]).toEqual([known, 304, 0]);
      expect(answer.headers.get("ETag")).toBe(etag);
    }
    expect(read).toHaveBeenCalledTimes(0);
    expect((await get(url, { "If-None-Match": '"other"' })).status).toBe(200);
    await upload(JPEG);
    expect((await get(url, { "If-None-Match": etag })).status).toBe(404);
  });

  test("two people have the same picture at two addresses", async () => {
    const other = await person("anna_1");
    const [mine, hers] = [(await upload(PNG)).body.avatar, (await upload(PNG, {}, other.token)).body.avatar];
    expect(mine).not.toBe(hers);
    await upload(JPEG);
    expect((await get(hers)).status).toBe(200);
  });

  test("of many at once one stands, and is the one that is shown", async () => {
    const pictures = Array.from({ length: 8 }, (_, index) => png({ width: index + 1 }));
    const answers = await Promise.all(pictures.map((bytes) => upload(bytes)));
    expect(answers.map(({ status }) => status)).toEqual(pictures.map(() => 200));
    const statuses = await Promise.all(answers.map(async ({ body }) => (await get(body.avatar)).status));
    expect(statuses.toSorted()).toEqual([200, ...Array.from({ length: 7 }, () => 404)]);
    expect((await get((await me()).avatar)).status).toBe(200);
  });

  test("of a deactivated account is not served, and one that comes too late is not taken", async () => {
    const url = (await upload(PNG)).body.avatar;
    const { account } = await sessions.authenticate(app.core, token);
    await accounts.deactivate(app.core, account, account.id);
    expect((await get(url)).status).toBe(404);
    await expect(avatars.upload(app.core, account, JPEG)).rejects.toMatchObject({ code: "unauthorized" });
  });

  test("one that cannot be stored changes nothing", async () => {
    const url = (await upload(PNG)).body.avatar;
    spyOn(app.core.documents, "put").mockRejectedValueOnce(new Error("the disk is full"));
    const answer = await upload(JPEG);
    expect([answer.status, answer.body]).toEqual([500, refusal]);
    expect(JSON.stringify(answer.body)).not.toContain("disk");
    expect((await me()).avatar).toBe(url);
  });

  test("one that the store has lost is 404", async () => {
    const url = (await upload(PNG)).body.avatar;
    spyOn(app.core.documents, "get").mockResolvedValueOnce(null);
    expect((await get(url)).status).toBe(404);
  });
});

describe("one profile in several APIs", () => {
  test("what another API wrote last is shown and never fetched; an upload takes its place there too", async () => {
    const theirs = "https://example.org/danila.png";
    const fetched = spyOn(globalThis, "fetch");
    const patch = (profile_pic: string | null) =>
      app.call("PATCH", "/users/1", { token, body: { profile_pic } });
    await patch(theirs);
    expect((await me()).avatar).toBe(theirs);

    const mine = (await upload(PNG)).body.avatar;
    expect((await app.call("GET", "/users/1")).body.profile_pic).toBe(mine);
    expect((await me()).avatar).toBe(mine);

    await patch(theirs);
    expect((await me()).avatar).toBe(theirs);
    expect((await get(mine)).status).toBe(404);

    await patch(mine);
    expect((await get(mine)).status).toBe(200);

    await patch(null);
    expect((await me()).avatar).toMatch(/\.svg$/);
    expect((await get(mine)).status).toBe(404);
    expect(fetched).toHaveBeenCalledTimes(0);
    fetched.mockRestore();
  });

  test("an uploaded picture moves along with the public address", async () => {
    await upload(PNG);
    const account = await accounts.get(app.core, 1);
    const settings = { ...app.core.settings, publicUrl: () => "https://club.example" };
    const moved = { ...app.core, settings };
    expect(avatars.urlOf(moved, account)).toBe(`https://club.example/avatars/${account.avatarKey}`);
    expect(avatars.urlOf(moved, { ...account, avatarUrl: null })).toBe(
      `https://club.example/avatars/${account.uuid}.svg`,
    );
  });

  test("an account of the stats API shows the address that it came with", async () => {
    const avatar = "https://example.org/a.png";
    const { token: theirs } = await statsUser(app, "somebody", { avatar });
    expect((await me(theirs)).avatar).toBe(avatar);
  });
});

describe("the drawn picture", () => {
  test("is served as an image that can load and run nothing", async () => {
    const { avatar } = await me();
    const served = await get(avatar);
    expect([served.status, Buffer.from(served.bytes).toString().slice(0, 5)]).toEqual([200, "<svg "]);
    expect(Object.fromEntries(served.headers)).toMatchObject({
      "content-type": "image/svg+xml",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'",
      "cache-control": "public, max-age=86400",
      etag: expect.stringMatching(/^"\w+"$/),
    });
    const etag = served.headers.get("ETag") ?? "";
    expect((await get(avatar, { "If-None-Match": etag })).status).toBe(304);
    expect((await get(avatar, {}, "HEAD")).status).toBe(200);
  });

  const uuid = fc.uuid({ version: 7 });

  test("is the same for one UUID, another for another, and plain shapes alone", () => {
    fc.assert(
      fc.property(uuid, uuid, (one, other) => {
        const drawn = identicon(one);
        expect(identicon(one)).toBe(drawn);
        if (one !== other) expect(identicon(other)).not.toBe(drawn);
        expect(drawn).toMatch(
          /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 100 100" width="256" height="256"><rect [^<>]*\/>(<path fill="#[0-9a-f]{6}" d="[MLZa0-9. -]*"\/>){2}<\/svg>$/,
        );
        expect(drawn).toMatch(/ d="M/);
        const inside = [...drawn.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].flatMap(([, x, y]) => [
          Number(x),
          Number(y),
        ]);
        expect(Math.min(...inside)).toBeGreaterThanOrEqual(11);
        expect(Math.max(...inside)).toBeLessThanOrEqual(89);
      }),
    );
  });

  test("has the shapes of the badge in the PDF", () => {
    fc.assert(
      fc.property(uuid, (one) => {
        const [, deep = "", light = ""] = /d="([^"]*)".* d="([^"]*)"/.exec(identicon(one)) ?? [];
        for (const [path, isDeep] of [
          [deep, true],
          [light, false],
        ] as const) {
          const cells = identify(one).cells.filter((cell) => cell.deep === isDeep && cell.shape >= 2);
          const drawn = cells.reduce((sum, { x, y }) => sum + (x === y ? 4 : 8), 0);
          expect(path.match(/M/g)?.length ?? 0).toBe(drawn);
        }
      }),
    );
  });
});

describe("addresses that lead to nothing", () => {
  test.each([
    "",
    "nothing",
    "danila.svg",
    "01900000-0000-7000-8000-00000000000.svg",
    "01900000-0000-7000-8000-000000000000.png",
    "01900000-0000-7000-8000-000000000000.SVG",
    "01900000-0000-7000-8000-000000000000.svg.html",
    "avatar-01900000-0000-7000-8000-000000000000-00000000000000000000000000000000.png",
    "stats-01900000-0000-7000-8000-000000000000.pdf",
    "..%2fdocuments%2fstats-1.pdf",
    "..%2f..%2fguildhall.db",
    "%2e%2e/guildhall.db",
    "%00.svg",
    "a/b.svg",
  ])("/avatars/%s is 404", async (name) => {
    const read = spyOn(app.core.documents, "get");
    const answer = await app.call("GET", `/avatars/${name}`);
    expect([answer.status, answer.body.error?.code]).toEqual([404, "NOT_FOUND"]);
    expect(read).toHaveBeenCalledTimes(0);
  });

  test("no other object of the store is served, whatever the name", async () => {
    const key = (await upload(PNG)).body.avatar.slice(`${PUBLIC_URL}/avatars/`.length);
    await app.core.documents.put("stats-1.pdf", bytesOf("%PDF"), "application/pdf");
    const read = spyOn(app.core.documents, "get");
    const part = fc.constantFrom(
      "..",
      "%2e%2e",
      "%2f",
      "\\",
      "stats-1.pdf",
      "avatar-",
      key,
      ".svg",
      "\0",
      "~",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(part, fc.string({ maxLength: 8 })), { maxLength: 5 }),
        async (parts) => {
          const name = parts.join("");
          fc.pre(name !== key);
          expect(await avatars.find(app.core, name)).toBeNull();
          expect(await avatars.find(app.core, parts.join("/"))).toBeNull();
        },
      ),
    );
    expect(read).toHaveBeenCalledTimes(0);
  });

  test("a picture can only be read", async () => {
    const { avatar } = await me();
    for (const method of ["POST", "PUT", "DELETE"]) {
      const answer = await get(avatar, {}, method);
      expect([answer.status, answer.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
    }
  });
});

const nothingIsStored = async () => {
  const account = await accounts.get(app.core, 1);
  expect([account.avatarKey, account.avatarUrl]).toEqual([null, null]);
};

describe("uploads that are refused", () => {
  const SVG = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`;
  test.each<[string, Uint8Array]>([
    ["nothing", bytesOf()],
    ["text", bytesOf("hello")],
    ["SVG", bytesOf(SVG)],
    ["HTML", bytesOf("<!doctype html><script>alert(1)</script>")],
    ["a GIF", fromBase64("R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=")],
    ["a BMP", bytesOf("BM", new Uint8Array(60))],
    ["a PDF", bytesOf("%PDF-1.7\n")],
    ["an AVIF", bytesOf([0, 0, 0, 32], "ftypavif", new Uint8Array(40))],
    ["HTML before a PNG", bytesOf("<script>alert(1)</script>", PNG)],
    ["a line before a PNG", bytesOf("\n", PNG)],
    ["a PNG's magic alone", PNG.subarray(0, 8)],
    ["HTML after a PNG's magic", bytesOf(PNG.subarray(0, 8), "<script>alert(1)</script>")],
    ["a JPEG's magic alone", bytesOf([0xff, 0xd8, 0xff])],
    ["HTML after a JPEG's magic", bytesOf([0xff, 0xd8, 0xff, 0xe0], "<script>alert(1)</script>")],
    ["a sound in a RIFF", bytesOf("RIFF", WEBP.subarray(4, 8), "WAVE", WEBP.subarray(12))],
    ["HTML in a RIFF", bytesOf("RIFF\x24\0\0\0WEBP", "<script>alert(1)</script>   ")],
    ["a PNG without pixels", png({ pixels: false })],
    ["a PNG with a chunk that nobody knows and all must", png({ more: [chunk("EVIL", bytesOf("x"))] })],
    ["a PNG that begins twice", png({ more: [chunk("IHDR", new Uint8Array(13))] })],
    ["a PNG of no width", png({ width: 0 })],
    ["a PNG that is too wide", png({ width: 4_097, height: 1 })],
    ["a PNG that is too high", png({ width: 1, height: 4_097 })],
    ["a PNG of 2^32-1 pixels", png({ width: 0xffffffff, height: 1, pixels: false })],
    ["a JPEG that is too high", patched(JPEG, [0xff, 0xc0, 0, 0x11, 8], 5, [0x10, 0x01])],
    ["a JPEG of no height", patched(JPEG, [0xff, 0xc0, 0, 0x11, 8], 5, [0, 0])],
    ["a WebP that is too wide", patched(WEBP, [0x9d, 0x01, 0x2a], 3, [0x01, 0x10])],
    ["a lossless WebP that is too wide", patched(WEBP_LOSSLESS, [0x2f], 1, [0xff, 0x5f])],
    ["a WebP whose canvas is not its picture", patched(WEBP_EXIF, bytesOf("VP8X"), 12, [9])],
    ["a WebP whose frame is larger than its canvas", patched(WEBP_ANIMATED, bytesOf("ANMF"), 14, [9])],
  ])("%s is no picture", async (_name, bytes) => {
    const put = spyOn(app.core.documents, "put");
    const answer = await upload(bytes, { filename: "me.png", type: "image/png" });
    expect([answer.status, answer.body]).toEqual([400, refusal]);
    expect(put).toHaveBeenCalledTimes(0);
    await nothingIsStored();
  });

  test.each(PICTURES)("%s that is cut anywhere is refused", (_name, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readPicture(bytes.subarray(0, length))).toThrow(DomainError);
    }
  });

  test("a PNG with any wrong bit is refused", () => {
    fc.assert(
      fc.property(fc.nat(PNG.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const bytes = PNG.slice();
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        expect(() => readPicture(bytes)).toThrow(DomainError);
      }),
    );
  });

  test("whatever the bytes are, they are a picture or refused, and nothing else happens", () => {
    const damaged = fc
      .tuple(
        fc.constantFrom(...PICTURES.map(([, bytes]) => bytes), JPEG_EXIF, WEBP_EXIF),
        fc.array(fc.tuple(fc.nat(600), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
        fc.nat(600),
      )
      .map(([picture, changes, length]) => {
        const bytes = picture.slice(0, length < 100 ? picture.length : length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(damaged, (bytes) => {
        try {
          const once = readPicture(bytes);
          expect(once.bytes.length).toBeLessThanOrEqual(bytes.length);
          const twice = readPicture(once.bytes);
          expect(Buffer.from(once.bytes).equals(Buffer.from(twice.bytes))).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: "pictureInvalid" });
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test.each<[string, Uint8Array | ReadableStream<Uint8Array>, Record<string, string>, number]>([
    ["no body", bytesOf(), {}, 400],
    ["no file", multipart(), {}, 400],
    ["a file in another field", multipart({ name: "picture", bytes: PNG }), {}, 400],
    ["text in the field", multipart({ filename: null, bytes: bytesOf("hello") }), {}, 400],
    ["two files", multipart({ bytes: PNG }, { bytes: PNG }), {}, 400],
    ["a form without its end", multipart({ bytes: PNG }).subarray(0, -8), {}, 400],
    [
      "another boundary",
      multipart({ bytes: PNG }),
      { "Content-Type": "multipart/form-data; boundary=x" },
      400,
    ],
    ["no boundary", multipart({ bytes: PNG }), { "Content-Type": "multipart/form-data" }, 400],
    ["a bare picture", PNG, { "Content-Type": "image/png" }, 415],
    ["JSON", bytesOf("{}"), { "Content-Type": "application/json" }, 415],
    ["no type", PNG, { "Content-Type": "" }, 415],
    ["more than 2 MiB", multipart({ bytes: new Uint8Array(2 * MIB + 1) }), {}, 413],
    ["a declared length that is too long", bytesOf("x"), { "Content-Length": String(3 * MIB) }, 413],
    ["bytes without end", endless(), { "Transfer-Encoding": "chunked" }, 413],
    ["bytes without end that nobody announced", endless(), {}, 413],
  ])("%s", async (_name, body, headers, status) => {
    const answer = await post(body, headers);
    expect([answer.status, answer.body]).toEqual([status, refusal]);
    await nothingIsStored();
  });

  test("2 MiB exactly are taken", async () => {
    const filler = 2 * MIB - PNG.length - 12;
    // Transparency is kept, so that what is stored is as large.
    const bytes = png({ more: [chunk("tRNS", new Uint8Array(filler))] });
    expect(bytes.length).toBe(2 * MIB);
    const answer = await upload(bytes);
    expect(answer.status).toBe(200);
    expect((await get(answer.body.avatar)).bytes.length).toBe(2 * MIB);
  });

  test.each([{}, { "Transfer-Encoding": "chunked" }])(
    "no more is read than a picture may have: %j",
    async (headers) => {
      let read = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          read += 65_536;
          controller.enqueue(new Uint8Array(65_536));
        },
      });
      expect((await post(body, headers as Record<string, string>)).status).toBe(413);
      expect(read).toBeGreaterThan(2 * MIB);
      expect(read).toBeLessThan(3 * MIB);
    },
  );

  test("of somebody unknown not a byte is read", async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(1_024));
        },
      },
      { highWaterMark: 0 },
    );
    const answer = await post(body, { Authorization: "Bearer junk" });
    expect([answer.status, answer.body, pulled]).toEqual([401, refusal, 0]);
  });
});

describe("what is in the file besides the picture is not published", () => {
  const text = "alert(1)";
  test.each<[string, Uint8Array, Uint8Array]>([
    ["after the end of a PNG", bytesOf(PNG, "PK\x03\x04", text), PNG],
    ["after the end of a JPEG", bytesOf(JPEG, "<script>", text), JPEG],
    ["after the end of a WebP", bytesOf(WEBP, "<script>", text), WEBP],
    [
      "in a PNG's text, EXIF and private chunks",
      png({
        more: [
          chunk("tEXt", bytesOf(`Comment\0${text}`)),
          chunk("eXIf", bytesOf(text)),
          chunk("prVt", bytesOf(text)),
        ],
      }),
      PNG,
    ],
    ["in a JPEG's comment", segmentAdded(0xfe, text), JPEG],
    ["in a JPEG's APP1 that is not EXIF", segmentAdded(0xe1, `http://ns.adobe.com/xap/1.0/\0${text}`), JPEG],
    ["in a JPEG's APP2 that is no colour profile", segmentAdded(0xe2, `MPF\0${text}`), JPEG],
    ["in a JPEG's APP13", segmentAdded(0xed, text), JPEG],
  ])("%s", (_name, bytes, picture) => {
    expect(Buffer.from(bytes).includes(text)).toBe(true);
    expect(Buffer.from(readPicture(bytes).bytes).equals(Buffer.from(picture))).toBe(true);
  });

  test("a colour profile stays", () => {
    const bytes = segmentAdded(0xe2, `ICC_PROFILE\0${text}`);
    expect(Buffer.from(readPicture(bytes).bytes).equals(Buffer.from(bytes))).toBe(true);
  });

  test("of a JPEG's EXIF only the way up stays, in either byte order", () => {
    const { bytes } = readPicture(JPEG_EXIF);
    const stored = Buffer.from(bytes);
    expect(stored.includes("at home")).toBe(false);
    const tiff = stored.indexOf("Exif\0\0") + 6;
    expect(stored.subarray(tiff, tiff + 4).toString("latin1")).toBe("MM\0*");
    expect([stored.readUInt16BE(tiff + 10), stored.readUInt16BE(tiff + 18)]).toEqual([0x0112, 6]);
    const little = `Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0`;
    const again = Buffer.from(readPicture(segmentAdded(0xe1, little)).bytes);
    expect(again.subarray(2, 38).equals(stored.subarray(tiff - 10, tiff + 26))).toBe(true);
  });

  test("of a WebP's EXIF nothing stays, nor does its header speak of it", () => {
    const stored = Buffer.from(readPicture(WEBP_EXIF).bytes);
    expect(stored.includes("at home")).toBe(false);
    expect(stored.includes("EXIF")).toBe(false);
    expect([stored.readUInt32LE(4), stored[20]]).toEqual([stored.length - 8, 0]);
  });
});

/** The JPEG with one more segment in front. */
function segmentAdded(marker: number, data: string): Uint8Array {
  const length = data.length + 2;
  return bytesOf(JPEG.subarray(0, 2), [0xff, marker, length >> 8, length & 0xff], data, JPEG.subarray(2));
}

/** A copy with these bytes at `offset` from where `mark` stands. */
function patched(
  bytes: Uint8Array,
  mark: readonly number[] | Uint8Array,
  offset: number,
  patch: readonly number[],
): Uint8Array {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(Buffer.from(mark));
  if (at === -1) throw new Error("the mark is not there");
  copy.set(patch, at + offset);
  return new Uint8Array(copy);
}

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(65_536).fill(0x20));
    },
  });
}
