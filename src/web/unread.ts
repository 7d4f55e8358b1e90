import { signal } from "@preact/signals";

/** Messages that the signed-in account has not read, over all its rooms. */
export const unread = signal(0);
