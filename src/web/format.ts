import { locale, t, timeZone } from "./i18n.ts";
import { kept } from "./kept.ts";

const dates = kept<Intl.DateTimeFormat>();
const agos = kept<Intl.RelativeTimeFormat>();

const formatOf = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
  dates(`${locale.value} ${timeZone.value} ${options.dateStyle} ${options.timeStyle}`, () =>
    newFormat(options),
  );

/** A time zone of the account that this browser does not know must not break the page. */
function newFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  if (timeZone.value === undefined) return new Intl.DateTimeFormat(locale.value, options);
  try {
    return new Intl.DateTimeFormat(locale.value, { ...options, timeZone: timeZone.value });
  } catch {
    return new Intl.DateTimeFormat(locale.value, options);
  }
}

function written(time: string | number, options: Intl.DateTimeFormatOptions): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : formatOf(options).format(date);
}

export const date = (time: string | number) => written(time, { dateStyle: "medium" });
export const dateTime = (time: string | number) => written(time, { dateStyle: "medium", timeStyle: "short" });
export const clock = (time: string | number) => written(time, { timeStyle: "short" });

export const percent = (share: number) =>
  new Intl.NumberFormat(locale.value, { style: "percent", maximumFractionDigits: 0 }).format(share);

/** "2h 5m"; what is below a minute in seconds. */
export function duration(seconds: number): string {
  const unit = (value: number, name: "hour" | "minute" | "second") =>
    new Intl.NumberFormat(locale.value, { style: "unit", unit: name, unitDisplay: "narrow" }).format(value);
  if (seconds < 60) return unit(seconds, "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return unit(minutes, "minute");
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? unit(hours, "hour") : `${unit(hours, "hour")} ${unit(minutes % 60, "minute")}`;
}

/** "3 minutes ago"; a date for what is older than a week. */
export function ago(time: string): string {
  const seconds = (Date.parse(time) - Date.now()) / 1_000;
  if (seconds > -45) return t("justNow");
  const format = agos(locale.value, () => new Intl.RelativeTimeFormat(locale.value, { numeric: "auto" }));
  if (seconds > -3_600) return format.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return format.format(Math.round(seconds / 3_600), "hour");
  if (seconds > -7 * 86_400) return format.format(Math.round(seconds / 86_400), "day");
  return date(time);
}
