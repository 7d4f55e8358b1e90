import { startS3 } from "../../test/support/s3.ts";

// An S3 server for the soak: <directory> <port> <bucket>, until a signal ends it.
const [directory = "", port = "0", bucket = ""] = process.argv.slice(2);
await startS3([bucket], { directory, port: Number(port) });
process.stdout.write("ready\n");
