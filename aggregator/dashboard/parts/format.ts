/** Numbers and times for people, in one language: the page's own. */

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const YEAR_S = 365.2425 * 86_400;

export const formatCount = (n: number): string => whole.format(n);

/** 12,345 stays; 1.23M from a hundred thousand on. */
export const formatShort = (n: number): string => (n < 100_000 ? whole.format(n) : short.format(n));

/** Events a second. */
export const formatRate = (n: number): string => (n > 0 && n < 10 ? tenth.format(n) : formatShort(Math.round(n)));

/** A share of one as percent. */
export function formatShare(part: number, total: number): string {
  return total === 0 ? "0 %" : `${tenth.format((100 * part) / total)} %`;
}

export const formatClock = (ms: number): string => clock.format(ms);

const two = (n: number) => String(n).padStart(2, "0");

/** By the reader's own clock, as the time beside it. */
const formatDate = (at: Date) =>
  `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;

/** The time of day, with the date where it is not today. */
export function formatWhen(timestamp: string): { readonly text: string; readonly isDated: boolean } {
  const ms = Date.parse(timestamp);
  if (Number.isNaN(ms)) return { text: timestamp, isDated: true };
  const at = new Date(ms);
  const isDated = at.toDateString() !== new Date().toDateString();
  return { text: isDated ? `${formatDate(at)} ${formatClock(ms)}` : formatClock(ms), isDated };
}

/** 5 s, 3 min, 2 h, 4 d, 5 y. */
export function formatAge(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  if (seconds < 2 * YEAR_S) return `${Math.round(seconds / 86_400)} d`;
  return `${formatCount(Math.round(seconds / YEAR_S))} y`;
}
