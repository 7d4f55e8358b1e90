import { computed, effect, signal } from "@preact/signals";
import { kept } from "./kept.ts";
import { account } from "./session.ts";
import { en } from "./words/en.ts";

export type Language = "en" | "ru";
/** One sentence, or its forms by Intl.PluralRules for `n`. `{name}` stands for a parameter. */
export type Phrase =
  | string
  | { readonly one: string; readonly few?: string; readonly many?: string; readonly other: string };
export type Key = keyof typeof en;
export type Words = Readonly<Record<Key, Phrase>>;
export type Params = Readonly<Record<string, string | number>>;

/** The account's language where it is one of ours, else the browser's. */
const wanted = computed<Language>(() => {
  const asked = [account.value?.me.language ?? null, ...navigator.languages];
  const known = asked.map((tag) => (tag === null ? undefined : /^(en|ru)(?![a-z])/i.exec(tag)?.[1]));
  return known.find((name) => name !== undefined)?.toLowerCase() === "ru" ? "ru" : "en";
});

const spoken = signal<{ readonly language: Language; readonly words: Words }>({ language: "en", words: en });

export const language = computed(() => spoken.value.language);

/** The tag that dates and numbers are written by: as exact as the account or the browser says it. */
export const locale = computed(() => {
  const tags = [account.value?.me.language ?? null, ...navigator.languages];
  return tags.find((tag) => tag?.toLowerCase().startsWith(language.value)) ?? language.value;
});

export const timeZone = computed(() => account.value?.me.timezone ?? undefined);

/** Resolves when the first language is there; follows the wanted one from then on. */
export function startLanguage(): Promise<void> {
  const ready = Promise.withResolvers<void>();
  effect(() => {
    const language = wanted.value;
    void wordsOf(language).then((words) => {
      if (wanted.peek() === language) spoken.value = { language, words };
      document.documentElement.lang = spoken.value.language;
      ready.resolve();
    });
  });
  return ready.promise;
}

async function wordsOf(language: Language): Promise<Words> {
  if (language === "en") return en;
  // Without the file English is better than nothing.
  return import("./words/ru.ts").then(
    ({ ru }) => ru,
    () => en,
  );
}

const numbers = kept<Intl.NumberFormat>();
const plurals = kept<Intl.PluralRules>();

export const number = (value: number): string =>
  numbers(locale.value, () => new Intl.NumberFormat(locale.value)).format(value);

export function t(key: Key, params: Params = {}): string {
  const phrase: Phrase = spoken.value.words[key];
  const text = typeof phrase === "string" ? phrase : formOf(phrase, Number(params.n ?? 0));
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name] ?? "";
    return typeof value === "number" ? number(value) : value;
  });
}

function formOf(phrase: Exclude<Phrase, string>, n: number): string {
  const form = plurals(language.value, () => new Intl.PluralRules(language.value)).select(n);
  return (form === "one" || form === "few" || form === "many" ? phrase[form] : undefined) ?? phrase.other;
}
