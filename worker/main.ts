import { run } from "../src/run.ts";
import { work } from "./run.ts";

await run(() => work());
