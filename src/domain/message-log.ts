import type { Core } from "./core.ts";
import type { LogEntry } from "./messages.ts";
import * as messages from "./messages.ts";

/** What this node has told of the log of all rooms, in the order of its ids. */
export interface MessageLog {
  /** The id of the last entry that was told. */
  readonly toldId: number;
  /** Looks where the log ends; nothing older is told. */
  start(): Promise<void>;
  /** An entry that this node has just committed: told at once when it is the next one, else with those before it. */
  committed(entry: LogEntry): void;
  /** There may be news: they are read and told. */
  wake(): void;
  stop(): void;
}

const LOOK_EVERY_MS = 2_000;

/**
 * Tells every entry exactly once and in order, whoever wrote it. Ids have no holes, so that an entry which is not
 * the next one shows that another node was first: telling it would make clients believe that they have all before.
 */
export function createMessageLog(core: Core, tell: (entry: LogEntry) => void): MessageLog {
  let toldId = 0;
  let timer: Timer | undefined;
  let isReading = false;
  let isWoken = false;
  let isStarted = false;
  let stopped = false;

  function next(entry: LogEntry): void {
    toldId = entry.id;
    tell(entry);
  }

  async function readOn(): Promise<void> {
    let rows: LogEntry[];
    do {
      rows = await messages.after(core, toldId);
      for (const entry of rows) if (entry.id > toldId && !stopped) next(entry);
    } while (rows.length >= messages.ENTRIES_AT_ONCE && !stopped);
  }

  /** One reading at a time; who is woken meanwhile reads once more. */
  async function read(): Promise<void> {
    isReading = true;
    try {
      while (isWoken && !stopped) {
        isWoken = false;
        await readOn();
      }
    } catch (error) {
      // The next look comes soon.
      if (!stopped) core.log.warn({ err: error }, "the log of messages could not be read");
    } finally {
      isReading = false;
    }
  }

  function wake(): void {
    isWoken = true;
    if (isStarted && !isReading && !stopped) void read();
  }

  return {
    get toldId() {
      return toldId;
    },
    async start() {
      toldId = await messages.newestId(core);
      isStarted = true;
      timer = setInterval(wake, LOOK_EVERY_MS);
    },
    committed(entry) {
      if (entry.id <= toldId || !isStarted) return;
      if (entry.id === toldId + 1) next(entry);
      else wake();
    },
    wake,
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}
