import { effect, signal } from "@preact/signals";
import { storage } from "./storage.ts";

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];
const KEY = "guildhall.theme";

export const theme = signal<Theme>(THEMES.find((name) => name === storage.read(KEY)) ?? "system");

/** The style sheet follows the system unless the root says otherwise. */
export function startTheme(): void {
  effect(() => {
    if (theme.value === "system") {
      delete document.documentElement.dataset.theme;
      storage.remove(KEY);
    } else {
      document.documentElement.dataset.theme = theme.value;
      storage.write(KEY, theme.value);
    }
  });
}
