import { openApiDocument } from "../openapi.ts";

export async function printOpenApi(): Promise<void> {
  process.stdout.write(`${JSON.stringify(openApiDocument(), null, 2)}\n`);
}
