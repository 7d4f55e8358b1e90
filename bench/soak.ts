import { parseArgs } from "node:util";
import { BREAKS } from "./soak/broken-tree.ts";
import { type Form, soak } from "./soak/run.ts";

const USAGE = `bun bench/soak.ts [--form embedded|scaled|both] [--seconds 600] [--kills 100] [--seed N] [--break <mistake>]
  mistakes: ${Object.keys(BREAKS).join(", ")}
`;
const FORMS: Readonly<Record<string, readonly Form[]>> = {
  embedded: ["embedded"],
  scaled: ["scaled"],
  both: ["embedded", "scaled"],
};

/** Exit codes: 0 all is well, 1 a check found something, 2 wrong usage. */
async function main(words: readonly string[]): Promise<number> {
  const wanted = read(words);
  if (wanted === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { forms, ...options } = wanted;
  let code = 0;
  for (const form of forms) {
    process.stdout.write(
      `${form}: ${options.seconds} s, ${options.kills} kills, --seed ${options.seed}${options.mistake === null ? "" : `, broken by ${options.mistake}`}\n`,
    );
    const { failed, text } = await soak({ ...options, form });
    process.stdout.write(`${text}\n\n`);
    if (failed.length > 0) code = 1;
  }
  return code;
}

/** Null for what is none. */
function read(words: readonly string[]) {
  const number = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        form: { type: "string", default: "both" },
        seconds: { ...number, default: "600" },
        kills: { ...number, default: "100" },
        seed: { ...number, default: String(Math.floor(Math.random() * 2 ** 31)) },
        break: { type: "string" },
      },
    });
    const [seconds, kills, seed] = [Number(values.seconds), Number(values.kills), Number(values.seed)];
    const forms = FORMS[values.form];
    const mistake = values.break ?? null;
    const isRight = seconds > 0 && kills >= 0 && Number.isSafeInteger(kills) && Number.isSafeInteger(seed);
    if (forms === undefined || !isRight || (mistake !== null && !(mistake in BREAKS))) return null;
    return { forms, seconds, kills, seed, mistake };
  } catch {
    return null;
  }
}

process.exit(await main(process.argv.slice(2)));
