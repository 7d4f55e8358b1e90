import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Counted, Metrics } from "../../domain/core.ts";

export type PrometheusOptions = {
  readonly version: string;
  /** The process too: memory, processor time, how late its event loop is. */
  readonly ofProcess: boolean;
};

export interface PrometheusMetrics extends Metrics {
  /** One commit: how many write units shared it, and how long it took. */
  committed(units: number, seconds: number): void;
}

const LAG_EVERY_MS = 20;
const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const COMMIT_SECONDS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10];
const JOB_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300];
const GROUP_UNITS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/** The codes that our side or a browser closes with; a client may send any of 3,000 others. */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 4001, 4003, 4004,
]);

const COUNTERS: { readonly [What in keyof Counted]: readonly [name: string, help: string] } = {
  signIns: ["guildhall_sign_ins_total", "Sign-ins with a password, by result."],
  refreshes: ["guildhall_refreshes_total", "Exchanged refresh tokens, by kind; reuse ended a session."],
  messages: ["guildhall_messages_total", "Chat messages that were stored, or found stored under their key."],
  replays: ["guildhall_replays_total", "Sockets that came back with since, by what they could be told."],
  mails: ["guildhall_mails_total", "Mails handed over, put off after a failure, or given up."],
  limited: ["guildhall_limited_total", "Requests that were refused with 429, by limit."],
};

const GAUGES: Readonly<Record<string, string>> = {
  sockets: "Open WebSockets of this process.",
  tasks: "Tasks of the whole community, by status.",
  queue_due_tasks: "Tasks that could be worked on now: the depth of the queue.",
  queue_oldest_seconds: "For how long the oldest of them has been due.",
  mails_waiting: "Mails that wait to be handed over.",
  db_queued_writes: "Writes of this process that wait for a commit.",
};

/** Counters of one process, kept in a registry of its own. */
export function prometheusMetrics({ version, ofProcess }: PrometheusOptions): PrometheusMetrics {
  const register = new Registry();
  const registers = [register];
  if (ofProcess) collectDefaultMetrics({ register, eventLoopMonitoringPrecision: LAG_EVERY_MS });
  new Gauge({
    name: "guildhall_info",
    help: "1, with the version.",
    labelNames: ["version"],
    registers,
  }).set({ version }, 1);
  const counters = new Map(
    Object.entries(COUNTERS).map(([what, [name, help]]) => [
      what,
      new Counter({ name, help, labelNames: ["kind"], registers }),
    ]),
  );
  const gauges = new Map(
    Object.entries(GAUGES).map(([name, help]) => [
      name,
      new Gauge({ name: `guildhall_${name}`, help, labelNames: ["kind"], registers }),
    ]),
  );
  const requests = new Counter({
    name: "guildhall_http_requests_total",
    help: "Answered requests.",
    labelNames: ["api", "method", "route", "status"],
    registers,
  });
  const durations = new Histogram({
    name: "guildhall_http_request_duration_seconds",
    help: "From a request's arrival to its answer; a stream's goes on after that.",
    labelNames: ["api", "method", "route"],
    buckets: SECONDS,
    registers,
  });
  const closes = new Counter({
    name: "guildhall_socket_closes_total",
    help: "Closed WebSockets, by code.",
    labelNames: ["code"],
    registers,
  });
  const jobs = new Histogram({
    name: "guildhall_job_duration_seconds",
    help: "Tries to make a document in this process, by outcome.",
    labelNames: ["outcome"],
    buckets: JOB_SECONDS,
    registers,
  });
  const commits = new Histogram({
    name: "guildhall_db_commit_seconds",
    help: "Commits of this process: from the first statement until the writes are durable.",
    buckets: COMMIT_SECONDS,
    registers,
  });
  const groups = new Histogram({
    name: "guildhall_db_group_units",
    help: "How many writes shared a commit.",
    buckets: GROUP_UNITS,
    registers,
  });

  return {
    count(what, kind) {
      counters.get(what)?.inc({ kind });
    },
    job(outcome, seconds) {
      jobs.observe({ outcome }, seconds);
    },
    request({ api, method, route, status, seconds }) {
      requests.inc({ api, method, route, status });
      durations.observe({ api, method, route }, seconds);
    },
    socketClosed(code) {
      closes.inc({ code: CLOSE_CODES.has(code) ? code : "other" });
    },
    committed(units, seconds) {
      commits.observe(seconds);
      groups.observe(units);
    },
    async exposition(readings) {
      // What cannot be read now is not told: the last value would look as good as a new one.
      for (const gauge of gauges.values()) gauge.reset();
      for (const [name, reading] of Object.entries(readings)) {
        const gauge = gauges.get(name);
        if (gauge === undefined) throw new Error(`no gauge is called ${name}`);
        if (typeof reading === "number") gauge.set(reading);
        else for (const [kind, value] of Object.entries(reading)) gauge.set({ kind }, value);
      }
      return { contentType: register.contentType, text: await register.metrics() };
    },
  };
}
