import { startHranaServer } from "../support/hrana-server.ts";

// The libSQL server of the tests as a process of its own: `child-hrana.ts <file> <token> [durable]`. Prints its address.
const [file = "", token = "", durable] = process.argv.slice(2);
const { url } = await startHranaServer(file, token, { isDurable: durable === "durable" });
process.stdout.write(`${url}\n`);
