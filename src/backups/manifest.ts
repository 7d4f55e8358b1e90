import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CommandError } from "../run.ts";
import { writeDurably } from "./files.ts";
import { KINDS } from "./names.ts";

/** Grows when an older program could not read what a newer one writes. */
export const FORMAT = 1;

export const DATABASE = "guildhall.db";
export const DOCUMENTS = "documents";
export const SECRETS = "secrets.json";

const MANIFEST = "manifest.json";
// Beside it as sha256sum writes it, so that a flipped byte in the manifest itself is found, also by that tool.
const SUM = "manifest.sha256";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const key = z.string().regex(/^[a-z0-9-]{1,100}\.[a-z]{1,10}$/);
const bytes = z.number().int().min(0);

const Manifest = z.object({
  format: z.literal(FORMAT),
  /** Of the Guildhall that made it. */
  version: z.string(),
  kind: z.enum(KINDS),
  madeAt: z.iso.datetime(),
  migrations: z.array(z.string()),
  /** Null: from before there was chat. */
  chatEpoch: z.string().nullable(),
  /** Where the documents and avatars are that the database names, and which of them. */
  documents: z.discriminatedUnion("in", [
    z.object({
      in: z.literal("files"),
      /** Named by the database, and not in the store when the backup was made. */
      missing: z.array(key),
      /** In the store with other bytes than those that the database knows of. */
      altered: z.array(key),
    }),
    z.object({
      in: z.literal("s3"),
      bucket: z.string(),
      endpoint: z.string().nullable(),
      objects: z.array(
        z.object({
          key,
          bytes: bytes.nullable(),
          /** Null where the database does not know it. */
          sha256: sha256.nullable(),
        }),
      ),
    }),
  ]),
  /** What is in the backup beside the manifest. */
  files: z.array(
    z.object({
      // Nothing else is ever restored, wherever the backup came from.
      path: z.string().regex(/^(guildhall\.db|secrets\.json|documents\/[a-z0-9-]{1,100}\.[a-z]{1,10})$/),
      bytes,
      sha256,
    }),
  ),
});

export type Manifest = z.infer<typeof Manifest>;
export type BackedUpFile = Manifest["files"][number];

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await writeDurably(join(folder, MANIFEST), text);
  await writeDurably(join(folder, SUM), `${sumOf(text)}  ${MANIFEST}\n`);
}

/** Throws a CommandError that says what is wrong with it. */
export async function readManifest(folder: string): Promise<Manifest> {
  // One after the other, so that of two missing files the same is named each time.
  const text = await read(folder, MANIFEST);
  const sum = await read(folder, SUM);
  const content = parsed(text);
  if (isNewer(content)) {
    throw new CommandError(
      `It was made by a newer Guildhall (${content.version ?? "of an unknown version"}), whose backups this one ` +
        "cannot read. Use that version, or a later one.",
    );
  }
  if (sum !== `${sumOf(text)}  ${MANIFEST}\n`) {
    throw new CommandError(`${MANIFEST} is not what it was: its checksum in ${SUM} is another.`);
  }
  const result = Manifest.safeParse(content);
  if (!result.success) throw new CommandError(`${MANIFEST} is no manifest of a backup.`);
  return result.data;
}

async function read(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), "utf8");
  } catch (error) {
    throw new CommandError(`${name} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const Newer = z.object({ format: z.number().int().gt(FORMAT), version: z.string().optional() });
const isNewer = (content: unknown): content is z.infer<typeof Newer> => Newer.safeParse(content).success;

const sumOf = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");

export const totalBytes = ({ files }: Manifest): number => files.reduce((sum, file) => sum + file.bytes, 0);
