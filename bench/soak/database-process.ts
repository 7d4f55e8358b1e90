import { startHranaServer } from "../../test/support/hrana-server.ts";

// A libSQL server for the soak: <file> <port>, until a signal ends it.
const [file = "", port = "0"] = process.argv.slice(2);
await startHranaServer(file, null, { port: Number(port) });
process.stdout.write("ready\n");
