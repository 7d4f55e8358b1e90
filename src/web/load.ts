import { useSignal } from "@preact/signals";
import { useCallback, useLayoutEffect, useRef } from "preact/hooks";

export type Loaded<T> = {
  readonly data: T | null;
  readonly failure: unknown;
  readonly isLoading: boolean;
  reload(): Promise<void>;
  /** What is shown until the next reload. */
  set(data: T): void;
};

/** Reads when the view appears and whenever `key` changes; what was read stays shown until the new is there. */
export function useLoad<T>(key: string, read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const data = useSignal<T | null>(null);
  const failure = useSignal<unknown>(null);
  const isLoading = useSignal(true);
  const latest = useRef(read);
  latest.current = read;
  const running = useRef<AbortController | null>(null);

  const reload = useCallback(async () => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    isLoading.value = true;
    try {
      const found = await latest.current(controller.signal);
      if (controller.signal.aborted) return;
      data.value = found;
      failure.value = null;
    } catch (error) {
      if (controller.signal.aborted) return;
      failure.value = error;
    }
    isLoading.value = false;
  }, []);

  // Not after the next painting: the answer comes earlier by a frame.
  useLayoutEffect(() => {
    void reload();
    return () => running.current?.abort();
  }, [key, reload]);

  return {
    data: data.value,
    failure: failure.value,
    isLoading: isLoading.value,
    reload,
    set: (next) => {
      data.value = next;
    },
  };
}

export type Action<Given extends unknown[]> = {
  readonly isRunning: boolean;
  readonly failure: unknown;
  /** True when it was done. A second run while one is under way is ignored. */
  run(...given: Given): Promise<boolean>;
  clear(): void;
};

/** Something that the user asks for, with its state and what went wrong. */
export function useAction<Given extends unknown[]>(
  act: (...given: Given) => Promise<unknown>,
): Action<Given> {
  const isRunning = useSignal(false);
  const failure = useSignal<unknown>(null);
  return {
    isRunning: isRunning.value,
    failure: failure.value,
    clear: () => {
      failure.value = null;
    },
    async run(...given) {
      if (isRunning.peek()) return false;
      isRunning.value = true;
      failure.value = null;
      try {
        await act(...given);
        return true;
      } catch (error) {
        failure.value = error;
        return false;
      } finally {
        isRunning.value = false;
      }
    },
  };
}
