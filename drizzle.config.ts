import { defineConfig } from "drizzle-kit";

// drizzle-kit reads the default export.
export default defineConfig({ dialect: "sqlite", schema: "./db/schema.ts", out: "./db/migrations" });
