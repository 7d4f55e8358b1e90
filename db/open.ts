import type { SqliteRemoteDatabase } from "drizzle-orm/sqlite-proxy";
import type * as schema from "./schema.ts";

export type Db = SqliteRemoteDatabase<typeof schema>;
