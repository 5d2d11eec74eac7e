/**
 * The timestamp rule: a calendar date and time in ISO 8601's extended format (RFC 3339 is its stricter profile) that
 * exists in the calendar, and that Postgres's `timestamptz` reads as exactly the same instant. What only one of the two
 * reads, a decimal comma here and `now` there, is refused. The text is judged and then carried on unchanged, so its
 * microseconds survive; nothing here goes through `Date`, which has milliseconds only and turns 30 February into 1
 * March.
 */
import {
  TIMESTAMP_FRACTION_DIGITS_MAX,
  TIMESTAMP_OFFSET_HOURS_MAX,
  TIMESTAMP_YEAR_MAX,
  TIMESTAMP_YEAR_MIN,
} from "./limits.ts";

const DATE_AND_MINUTE = String.raw`\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d`;
/** None means UTC. */
const ZONE = String.raw`(?:[Zz]|[+-]\d\d(?::\d\d)?)?`;
const FORM = new RegExp(`^${DATE_AND_MINUTE}(?::\\d\\d(?:\\.\\d{1,${TIMESTAMP_FRACTION_DIGITS_MAX}})?)?${ZONE}$`);
const TOO_FINE = new RegExp(`^${DATE_AND_MINUTE}:\\d\\d\\.\\d+${ZONE}$`);

/**
 * Where an offset's sign can stand at the earliest: after `YYYY-MM-DDThh:mm`. Before that a hyphen belongs to the date.
 */
const OFFSET_AT_MIN = 16;

const MONTH_NAMES = "January February March April May June July August September October November December".split(" ");

const MINUTES_A_DAY = 24 * 60;

/** What is wrong with a timestamp, in words for a person, or undefined where it is fine. */
export function timestampFault(timestamp: string): string | undefined {
  if (!FORM.test(timestamp)) {
    return TOO_FINE.test(timestamp)
      ? `must have at most ${TIMESTAMP_FRACTION_DIGITS_MAX} digits of a second: microseconds are what is kept`
      : "must be an ISO 8601 / RFC 3339 date and time such as 2026-01-31T23:59:59.123456Z";
  }
  const year = twoDigits(timestamp, 0) * 100 + twoDigits(timestamp, 2);
  const month = twoDigits(timestamp, 5);
  const day = twoDigits(timestamp, 8);
  if (year < TIMESTAMP_YEAR_MIN) return "must lie in the years 0001 to 9999: there is no year 0";
  if (month < 1 || month > 12) return `there is no month ${timestamp.slice(5, 7)}`;
  if (day < 1 || day > daysIn(year, month)) return noSuchDay(year, month, day);
  return timeOfDayFault(timestamp) ?? offsetFault(timestamp, year, month, day);
}

/** RFC 3339 wants an offset: a bound without one would mean another instant to whoever lives elsewhere. */
const WITH_OFFSET = /([Zz]|[+-]\d\d:\d\d)$/;

/** What is wrong with a timestamp as the bound of a time span, or undefined where it is fine. */
export function instantFault(text: string): string | undefined {
  return timestampFault(text) ?? (WITH_OFFSET.test(text) ? undefined : "must have an offset: Z, or as in +07:00");
}

function timeOfDayFault(timestamp: string): string | undefined {
  if (twoDigits(timestamp, 11) > 23) return `there is no hour ${timestamp.slice(11, 13)}: hours go from 00 to 23`;
  if (twoDigits(timestamp, 14) > 59) return `there is no minute ${timestamp.slice(14, 16)}: minutes go from 00 to 59`;
  if (timestamp[16] !== ":" || twoDigits(timestamp, 17) <= 59) return undefined;
  return `there is no second ${timestamp.slice(17, 19)}: seconds go from 00 to 59, and leap seconds cannot be kept`;
}

function offsetFault(timestamp: string, year: number, month: number, day: number): string | undefined {
  const signAt = Math.max(timestamp.lastIndexOf("+"), timestamp.lastIndexOf("-"));
  if (signAt < OFFSET_AT_MIN) return undefined;
  const hours = twoDigits(timestamp, signAt + 1);
  const minutes = timestamp.length > signAt + 3 ? twoDigits(timestamp, signAt + 4) : 0;
  if (hours > TIMESTAMP_OFFSET_HOURS_MAX || minutes > 59) return "must have an offset between -15:59 and +15:59";
  const offsetMinutes = (hours * 60 + minutes) * (timestamp[signAt] === "-" ? -1 : 1);
  const minuteOfDay = twoDigits(timestamp, 11) * 60 + twoDigits(timestamp, 14);
  const minuteOfDayUtc = minuteOfDay - offsetMinutes;
  const isBeforeFirstYear = year === TIMESTAMP_YEAR_MIN && month === 1 && day === 1 && minuteOfDayUtc < 0;
  const isAfterLastYear = year === TIMESTAMP_YEAR_MAX && month === 12 && day === 31 && minuteOfDayUtc >= MINUTES_A_DAY;
  if (isBeforeFirstYear || isAfterLastYear) return "must lie in the years 0001 to 9999 in UTC too";
  return undefined;
}

function noSuchDay(year: number, month: number, day: number): string {
  const name = `${day} ${MONTH_NAMES[month - 1]}`;
  return month === 2 && day === 29 ? `${name} ${year} does not exist: it is no leap year` : `${name} does not exist`;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function twoDigits(text: string, at: number): number {
  return text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 48 * 11;
}
