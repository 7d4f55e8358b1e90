import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";

type Edit = { readonly file: string; readonly find: string; readonly replace: string };

/** Mistakes that the soak has to find: each is put into a copy of the source, never into the product. */
export const BREAKS: Readonly<Record<string, readonly Edit[]>> = {
  /** A task is DONE before its document is stored; the time between makes room for a look and for a kill. */
  "ack-before-store": [
    {
      file: "worker/produce.ts",
      find: `    await core.documents
      .put(tasks.documentKey(task.id), bytes, "application/pdf")
      .catch((cause: unknown) => stageFailed("The document could not be stored.", cause));
    signal.throwIfAborted();
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    completing();
    if (!(await tasks.complete(core, task, owner, { bytes: bytes.length, sha256 }))) throw new LeaseLost();
`,
      replace: `    const sha256 = createHash("sha256").update(bytes).digest("hex");
    completing();
    if (!(await tasks.complete(core, task, owner, { bytes: bytes.length, sha256 }))) throw new LeaseLost();
    await core.sleep(3_000);
    await core.documents.put(tasks.documentKey(task.id), bytes, "application/pdf");
`,
    },
  ],
  /** A message is told under the id that it will probably have, and stored a little later. */
  "publish-before-commit": [
    {
      file: "src/domain/hub.ts",
      find: `      const said = await messages.append(core, access, person, content, key, isSlowed);
      core.metrics.count("messages", said.isNew ? "new" : "repeated");
      if (said.isNew) {
        log.committed(said.entry);
        core.bus.publish(NEW_MESSAGES, "others");
      }
      return said;
`,
      replace: `      const [roomId, userId, { username }] = [access.room.id, person.id, person];
      const said = { roomId, userId, username, content, key, sentAt: core.clock() };
      log.committed({ id: log.toldId + 1, kind: "message", removedId: null, ...said });
      core.bus.publish(NEW_MESSAGES, "others");
      await core.sleep(1_000);
      return await messages.append(core, access, person, content, key, isSlowed);
`,
    },
  ],
  /** One commit of fifty is lost, and answered all the same. */
  "lost-commit": [
    {
      file: "db/group-commit.ts",
      find: "      this.#commit.run();\n",
      replace: "      if (Math.random() < 0.02) this.#rollback.run();\n      else this.#commit.run();\n",
    },
  ],
  /** Who comes back is not told the first things that were said meanwhile. */
  "replay-gap": [
    {
      file: "src/domain/messages.ts",
      find: "gt(messages.id, since?.id ?? Number.MAX_SAFE_INTEGER)",
      replace: "gt(messages.id, (since?.id ?? Number.MAX_SAFE_INTEGER - 3) + 3)",
    },
  ],
  /** A game and its counters are two writes. */
  "half-a-game": [
    {
      file: "src/domain/games.ts",
      find: `  const [[stored]] = await core.db.batch([
    core.db
      .insert(games)
      .values({ playedAt: core.clock(), ...game, accountId })
      .returning(),
    statistics.adding(`,
      replace: `  const [stored] = await core.db
    .insert(games)
    .values({ playedAt: core.clock(), ...game, accountId })
    .returning();
  await core.sleep(20);
  await core.db.batch([
    statistics.adding(`,
    },
  ],
  /** A refresh token that was used before is refused, and its session lives on. */
  "reuse-forgiven": [
    {
      file: "src/domain/refresh.ts",
      find: "core.db.update(sessions).set({ revokedAt: now })",
      replace: "core.db.update(sessions).set({ revokedAt: null })",
    },
  ],
  /** Each message that is told leaves 16 KiB behind. Only a run of several minutes shows it. */
  leak: [
    {
      file: "src/domain/hub.ts",
      find: "  function heard(entry: LogEntry): void {\n",
      replace:
        "  const leaked: Uint8Array[] = [];\n  function heard(entry: LogEntry): void {\n    leaked.push(new Uint8Array(16_384).fill(1));\n",
    },
  ],
};

const ROOT = join(import.meta.dir, "../..");
const COPIED = ["db", "src", "worker", "package.json", "bunfig.toml", "tsconfig.json", "NOTICE.md"];

/** Copies what the product consists of into the folder, with this mistake; answers where it is. */
export async function brokenTree(name: string, folder: string): Promise<string> {
  const edits = BREAKS[name];
  if (edits === undefined) throw new Error(`unknown: ${name}`);
  const tree = join(folder, "tree");
  await mkdir(tree);
  for (const entry of COPIED) await cp(join(ROOT, entry), join(tree, entry), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(tree, "node_modules"));
  for (const { file, find, replace } of edits) {
    const path = join(tree, file);
    const parts = (await Bun.file(path).text()).split(find);
    if (parts.length !== 2) {
      throw new Error(`${name}: the text to break was found ${parts.length - 1} times in ${file}:\n${find}`);
    }
    await Bun.write(path, parts.join(replace));
  }
  return tree;
}
