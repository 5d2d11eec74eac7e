/**
 * A line's own timestamp, where it has a common form. Pure, but for the machine's time zone where `zone` is "local".
 *
 * Known forms: ISO 8601 and its relatives (`2026-11-23 15:55:50,123`, dpkg, apt, RFC 5424, `time="…"`, nginx errors
 * with slashes), RFC 3164 syslog (`Nov 23 15:55:50`), the common log format (`[23/Nov/2026:15:55:50 +0000]`) and
 * Apache's errors (`[Mon Nov 23 15:55:50.123456 2026]`). A date somewhere in the message is not the line's time, so
 * each form is looked for where its programs write it. What does not exist in the calendar is no timestamp.
 */

/** What a time without an offset is told in. Log files mean the clock of the machine that wrote them. */
export type Zone = "local" | "utc";

export type TimestampContext = {
  readonly zone: Zone;
  /** When the file was last written: a time without a year is the last such time not after it. */
  readonly referenceMs: number;
};

type WallTime = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly fraction: string;
  /** Undefined: told in the zone of the context. */
  readonly offsetMinutes: number | undefined;
};

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MONTH = `(${MONTHS.join("|")})`;
const CLOCK = String.raw`(\d{2}):(\d{2}):(\d{2})`;
const FRACTION = String.raw`(?:[.,](\d{1,9}))?`;

/** A byte order mark, and syslog's priority with RFC 5424's version. */
const START = String.raw`^\uFEFF?(?:<\d{1,3}>(?:\d{1,2} )?)?`;

/** A label that ends in a sign (`Start-Date: `, `{"time":"`, `[`), or one word (`update-alternatives `). */
const LABEL = String.raw`(?:[^\d]{0,80}["'\[(=:]\s*|[A-Za-z][\w-]{0,39} )?`;

const OFFSET = String.raw`(?: ?(Z|z|UTC|GMT)\b| ?([+-])(\d{2}):?(\d{2})(?!\d)|([+-]\d{2})(?!\d))?`;

const ISO_DATE = String.raw`(\d{4})([-/])(\d{2})\2(\d{2})`;
const ISO_CLOCK = String.raw`(\d{2}):(\d{2})(?::(\d{2})${FRACTION})?`;
const ISO = new RegExp(`${START}${LABEL}${ISO_DATE}(?:[Tt]| {1,2})${ISO_CLOCK}${OFFSET}`);
const SYSLOG = new RegExp(String.raw`${START}${MONTH} {1,2}(\d{1,2}) (?:(\d{4}) )?${CLOCK}${FRACTION}(?=[\s:]|$)`);
const COMMON_LOG = new RegExp(String.raw`\[(\d{2})/${MONTH}/(\d{4}):${CLOCK} ([+-])(\d{2})(\d{2})\]`);
const APACHE_ERROR = new RegExp(String.raw`^\[[A-Z][a-z]{2} ${MONTH} {1,2}(\d{1,2}) ${CLOCK}${FRACTION} (\d{4})\]`);

/** Every form stands within this. */
const HEAD_CHARACTERS = 512;

/** Clocks of two machines differ, and a file's time can be a little older than its last line. */
const REFERENCE_SLACK_MS = 24 * 60 * 60 * 1000;

/** 29 February comes round within eight years (1896 to 1904). */
const YEARS_BACK_MAX = 8;

/** RFC 3339 in UTC with at most six digits of a second, or undefined where the line tells no time. */
export function lineTimestamp(line: string, context: TimestampContext): string | undefined {
  const head = line.length > HEAD_CHARACTERS ? line.slice(0, HEAD_CHARACTERS) : line;
  return (
    readIso(head, context) ?? readCommonLog(head, context) ?? readSyslog(head, context) ?? readApache(head, context)
  );
}

function readIso(head: string, context: TimestampContext): string | undefined {
  const found = ISO.exec(head);
  if (found === null) return undefined;
  const [, year, , month, day, hour, minute, second, fraction, utc, sign, hours, minutes, hoursOnly] = found;
  const named = utc !== undefined ? 0 : offsetMinutes(sign, hours, minutes);
  return instant(
    {
      year: Number(year),
      month: Number(month),
      day: Number(day),
      hour: Number(hour),
      minute: Number(minute),
      second: Number(second ?? 0),
      fraction: fraction ?? "",
      offsetMinutes: named ?? (hoursOnly === undefined ? undefined : Number(hoursOnly) * 60),
    },
    context.zone,
  );
}

function readCommonLog(head: string, context: TimestampContext): string | undefined {
  const found = COMMON_LOG.exec(head);
  if (found === null) return undefined;
  const [, day, month, year, hour, minute, second, sign, hours, minutes] = found;
  return instant(
    { ...clock(hour, minute, second), ...date(year, month, day), offsetMinutes: offsetMinutes(sign, hours, minutes) },
    context.zone,
  );
}

function readApache(head: string, context: TimestampContext): string | undefined {
  const found = APACHE_ERROR.exec(head);
  if (found === null) return undefined;
  const [, month, day, hour, minute, second, fraction, year] = found;
  return instant({ ...clock(hour, minute, second, fraction), ...date(year, month, day) }, context.zone);
}

function readSyslog(head: string, context: TimestampContext): string | undefined {
  const found = SYSLOG.exec(head);
  if (found === null) return undefined;
  const [, month, day, year, hour, minute, second, fraction] = found;
  const time = clock(hour, minute, second, fraction);
  if (year !== undefined) return instant({ ...time, ...date(year, month, day) }, context.zone);
  const latestMs = context.referenceMs + REFERENCE_SLACK_MS;
  const latestYear = new Date(latestMs).getUTCFullYear() + 1;
  for (let candidate = latestYear; candidate >= latestYear - YEARS_BACK_MAX; candidate -= 1) {
    const at = instant({ ...time, ...date(String(candidate), month, day) }, context.zone);
    if (at !== undefined && Date.parse(at) <= latestMs) return at;
  }
  return undefined;
}

function clock(hour?: string, minute?: string, second?: string, fraction?: string) {
  return {
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second),
    fraction: fraction ?? "",
    offsetMinutes: undefined,
  };
}

function date(year: string | undefined, monthName: string | undefined, day: string | undefined) {
  return { year: Number(year), month: MONTHS.indexOf(monthName ?? "") + 1, day: Number(day) };
}

/** Undefined where the digits are no offset: `15:55:50 -1899 items left`. */
function offsetMinutes(sign?: string, hours?: string, minutes?: string): number | undefined {
  if (hours === undefined || Number(hours) > 15 || Number(minutes) > 59) return undefined;
  return (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
}

function instant(time: WallTime, zone: Zone): string | undefined {
  if (time.hour > 23 || time.minute > 59 || time.second > 59) return undefined;
  const utc = new Date(0);
  utc.setUTCFullYear(time.year, time.month - 1, time.day);
  utc.setUTCHours(time.hour, time.minute, time.second);
  // `Date` makes 1 March of 30 February.
  if (utc.getUTCMonth() !== time.month - 1 || utc.getUTCDate() !== time.day) return undefined;
  const ms = zone === "utc" || time.offsetMinutes !== undefined ? utc.getTime() : localMs(time);
  const at = new Date(ms - (time.offsetMinutes ?? 0) * 60_000);
  const year = at.getUTCFullYear();
  if (year < 1 || year > 9999) return undefined;
  // The fraction stays text: `Date` has milliseconds only, the contract takes six digits.
  const fraction = time.fraction.slice(0, 6);
  return `${at.toISOString().slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}Z`;
}

function localMs(time: WallTime): number {
  const local = new Date(2000, 0, 1, time.hour, time.minute, time.second);
  local.setFullYear(time.year, time.month - 1, time.day);
  local.setHours(time.hour, time.minute, time.second, 0);
  return local.getTime();
}
