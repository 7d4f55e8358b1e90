import type { Lab } from "../lab.ts";
import type { Row } from "../row.ts";

/** Bounded in time by itself; main.ts ends what takes MEASURE_LIMIT_MS all the same. */
export type Measure = (lab: Lab) => Promise<Row[]>;
