import { expect, test } from "bun:test";
import { withSteadyPlan } from "../../db/steady-plans.ts";

test.each([
  ["SELECT * FROM a WHERE id = ?", "SELECT * FROM a WHERE id = +?"],
  ["INSERT INTO a VALUES (?, ?) LIMIT ?", "INSERT INTO a VALUES (+?, +?) LIMIT +?"],
  ["SELECT '?', 'it''s ?', \"a?\", `b?`, ?", "SELECT '?', 'it''s ?', \"a?\", `b?`, +?"],
  ["SELECT 1 -- why?\n, ? /* how? */", "SELECT 1 -- why?\n, +? /* how? */"],
])("%p", (sql, steady) => {
  expect(withSteadyPlan(sql)).toBe(steady);
});
