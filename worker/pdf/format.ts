const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** The largest distance from 1970 that a Date can hold. */
const MAX_DATE_MS = 8.64e15;
const UNKNOWN = "\u2013";

/** Plain digits: long figures are grouped by gaps when drawn, so that a search for the number finds it. */
export function formatCount(count: number): string {
  return Number.isFinite(count) ? BigInt(Math.trunc(count)).toString() : UNKNOWN;
}

/** "12 h 05 min", or "48 s" below a minute. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return UNKNOWN;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor((whole % 3600) / 60);
  const hours = Math.floor(whole / 3600);
  return hours === 0 ? `${minutes} min` : `${formatCount(hours)} h ${pad(minutes)} min`;
}

/** "12 min 05 s": what one game takes is read to the second. */
export function formatGameDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 60 || seconds >= 3600) return formatDuration(seconds);
  return `${Math.floor(seconds / 60)} min ${pad(Math.floor(seconds % 60))} s`;
}

/** Share of won games in percent with one decimal; "100" and "0" are kept for what is exactly that. */
export function formatWinRate(victories: number, losses: number): string {
  const rate = winRate(victories, losses);
  if (rate === null) return UNKNOWN;
  if (rate === 0 || rate === 1) return `${rate * 100}%`;
  return `${Math.min(99.9, Math.max(0.1, rate * 100)).toFixed(1)}%`;
}

/** Victories among decided games, 0 to 1; null where none was decided. */
export function winRate(victories: number, losses: number): number | null {
  const rate = victories / (victories + losses);
  return rate >= 0 && rate <= 1 ? rate : null;
}

/** A balance with its sign: "+3", "0", "–2" (an en dash, which is as wide as the plus sign). */
export function formatBalance(balance: number): string {
  return balance > 0 ? `+${balance}` : balance < 0 ? `\u2013${-balance}` : "0";
}

/** "3 Oct 2026" in UTC. */
export function formatDay(ms: number): string {
  const date = dateAt(ms);
  return date === null
    ? UNKNOWN
    : `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

/** "2026-10-03 18:05 UTC", with seconds where they matter. */
export function formatInstant(ms: number, precision: "minute" | "second"): string {
  const date = dateAt(ms);
  if (date === null) return UNKNOWN;
  const [day = "", time = ""] = date.toISOString().split("T");
  return `${day} ${time.slice(0, precision === "minute" ? 5 : 8)} UTC`;
}

/** Null where no Date can hold the value. */
export function dateAt(ms: number): Date | null {
  return Math.abs(ms) <= MAX_DATE_MS ? new Date(ms) : null;
}

function pad(value: number): string {
  return value.toString().padStart(2, "0");
}
