import { begin, finish } from "../../src/backups/swap.ts";

// Swaps in the folder of argv[2] and kills itself after so many renames (argv[3]).
const [, , directory = "", steps = ""] = process.argv;
const swap = { backup: "manual-20261121T035000Z", staged: ".restoring-test", replaced: "replaced-test" };
let left = Number(steps);
const told = () => {
  if (left-- === 0) process.kill(process.pid, "SIGKILL");
};
await begin(directory, swap);
told();
await finish(directory, swap, told);
