export type Storage = {
  read(key: string): string | null;
  write(key: string, value: string): void;
  remove(key: string): void;
  keys(): string[];
};

/** What outlives the page; where the browser has no room for it or allows none, it lives as long as the page. */
export const storage: Storage = keptIn(() => localStorage);
/** What a reload of this tab outlives, with the same exception. */
export const tabStorage: Storage = keptIn(() => sessionStorage);

// Where storage is blocked, already naming it throws.
function keptIn(open: () => globalThis.Storage): Storage {
  const memory = new Map<string, string>();

  function attempt<Result>(act: (area: globalThis.Storage) => Result, otherwise: Result): Result {
    try {
      return act(open());
    } catch {
      return otherwise;
    }
  }

  return {
    read: (key) => attempt((area) => area.getItem(key), null) ?? memory.get(key) ?? null,
    write(key, value) {
      const isKept = attempt((area) => {
        area.setItem(key, value);
        return true;
      }, false);
      if (isKept) {
        memory.delete(key);
        return;
      }
      memory.set(key, value);
      // It would be read before what is newer.
      attempt((area) => area.removeItem(key), undefined);
    },
    remove(key) {
      memory.delete(key);
      attempt((area) => area.removeItem(key), undefined);
    },
    keys: () => [...new Set([...attempt((area) => Object.keys(area), []), ...memory.keys()])],
  };
}
