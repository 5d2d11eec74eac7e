import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { validTimestamp } from "../test/arbitraries.ts";
import { timestampFault } from "./timestamp.ts";

const FORM_FAULT = "must be an ISO 8601 / RFC 3339 date and time such as 2026-01-31T23:59:59.123456Z";
const FRACTION_FAULT = "must have at most 6 digits of a second: microseconds are what is kept";
const OFFSET_FAULT = "must have an offset between -15:59 and +15:59";
const UTC_FAULT = "must lie in the years 0001 to 9999 in UTC too";
const YEAR_FAULT = "must lie in the years 0001 to 9999: there is no year 0";

describe("timestamp", () => {
  test.each([
    "2026-01-31T23:59:59Z",
    "2026-01-31t23:59:59z",
    "2026-01-31 23:59:59Z",
    "2026-01-31T23:59:59",
    "2026-01-31T23:59",
    "2026-01-31T23:59Z",
    "2026-01-31T23:59+07:00",
    "2026-01-31T23:59:59.1Z",
    "2026-01-31T23:59:59.123456",
    "2026-01-31T23:59:59.123456-05:30",
    "2026-01-31T23:59:59+07",
    "2026-01-31T23:59-15",
    "2026-01-31T00:00:00-00:00",
    "2026-01-31T00:00:00+15:59",
    "2026-01-31T00:00:00-15:59",
    "0001-01-01T00:00:00Z",
    "0001-01-01T01:00:00+01:00",
    "0001-01-01T00:00:00-01:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T22:59:59-01:00",
    "9999-12-31T23:59:59+01:00",
    "9998-12-31T23:59:59-15:59",
    "9999-10-31T23:59:59-15:59",
    "0002-01-01T00:00:00+15:59",
    "0001-02-01T00:00:00+15:59",
  ])("accepts %s", (timestamp) => {
    expect(timestampFault(timestamp)).toBeUndefined();
  });

  test.each([
    ["", FORM_FAULT],
    ["now", FORM_FAULT],
    ["epoch", FORM_FAULT],
    ["yesterday", FORM_FAULT],
    ["infinity", FORM_FAULT],
    ["1769904000", FORM_FAULT],
    ["2026-01-31", FORM_FAULT],
    ["23:59:59Z", FORM_FAULT],
    ["20260131T235959Z", FORM_FAULT],
    ["2026-1-31T23:59:59Z", FORM_FAULT],
    ["26-01-31T23:59:59Z", FORM_FAULT],
    ["12026-01-31T23:59:59Z", FORM_FAULT],
    ["+2026-01-31T23:59:59Z", FORM_FAULT],
    ["-2026-01-31T23:59:59Z", FORM_FAULT],
    ["2026-01-31T23Z", FORM_FAULT],
    ["2026-01-31T3:59:59Z", FORM_FAULT],
    ["2026-01-31T23:59:5Z", FORM_FAULT],
    ["2026-01-31T23:59.5Z", FORM_FAULT],
    ["2026-01-31T23:59:59.Z", FORM_FAULT],
    ["2026-01-31T23:59:59,5Z", FORM_FAULT],
    ["2026-01-31T23:59:59+0700", FORM_FAULT],
    ["2026-01-31T23:59:59+7", FORM_FAULT],
    ["2026-01-31T23:59:59+07:00:00", FORM_FAULT],
    ["2026-01-31T23:59:59 Z", FORM_FAULT],
    ["2026-01-31T23:59:59 UTC", FORM_FAULT],
    ["2026-01-31T23:59:59ZZ", FORM_FAULT],
    ["2026-01-31T23:59:59Z[Europe/Berlin]", FORM_FAULT],
    ["2026-01-31  23:59:59Z", FORM_FAULT],
    ["2026-01-31_23:59:59Z", FORM_FAULT],
    ["2026-01-31T23:59:59\u221207:00", FORM_FAULT],
    ["2026-W05-6T23:59:59Z", FORM_FAULT],
    ["2026-031T23:59:59Z", FORM_FAULT],
    ["2026-01-31T23:59:59Z BC", FORM_FAULT],
    [" 2026-01-31T23:59:59Z", FORM_FAULT],
    ["2026-01-31T23:59:59Z\n", FORM_FAULT],
    ["２026-01-31T23:59:59Z", FORM_FAULT],
    ["2026-01-31T23:59:59.1234567Z", FRACTION_FAULT],
    ["2026-01-31T23:59:59.0000000", FRACTION_FAULT],
    [`2026-01-31T23:59:59.${"0".repeat(1000)}+01:00`, FRACTION_FAULT],
    ["0000-12-31T23:59:59Z", YEAR_FAULT],
    ["2026-00-01T00:00:00Z", "there is no month 00"],
    ["2026-13-01T00:00:00Z", "there is no month 13"],
    ["2026-01-00T00:00:00Z", "0 January does not exist"],
    ["2026-01-32T00:00:00Z", "32 January does not exist"],
    ["2026-04-31T00:00:00Z", "31 April does not exist"],
    ["2024-02-30T00:00:00Z", "30 February does not exist"],
    ["2026-02-29T00:00:00Z", "29 February 2026 does not exist: it is no leap year"],
    ["1900-02-29T00:00:00Z", "29 February 1900 does not exist: it is no leap year"],
    ["2026-01-31T24:00:00Z", "there is no hour 24: hours go from 00 to 23"],
    ["2026-01-31T23:60:00Z", "there is no minute 60: minutes go from 00 to 59"],
    ["2026-01-31T23:60Z", "there is no minute 60: minutes go from 00 to 59"],
    ["2016-12-31T23:59:60Z", "there is no second 60: seconds go from 00 to 59, and leap seconds cannot be kept"],
    ["2016-12-31T23:59:60.5", "there is no second 60: seconds go from 00 to 59, and leap seconds cannot be kept"],
    ["2026-01-31T00:00:00+16:00", OFFSET_FAULT],
    ["2026-01-31T00:00:00-16:00", OFFSET_FAULT],
    ["2026-01-31T00:00:00+16", OFFSET_FAULT],
    ["2026-01-31T00:00+01:60", OFFSET_FAULT],
    ["0001-01-01T00:59:59+01:00", UTC_FAULT],
    ["0001-01-01T00:59:59.999999+01", UTC_FAULT],
    ["9999-12-31T23:00:00-01:00", UTC_FAULT],
    ["9999-12-31T23:59-00:01", UTC_FAULT],
  ])("refuses %s", (timestamp, fault) => {
    expect(timestampFault(timestamp)).toBe(fault);
  });

  test("knows the calendar as Date does, leap years of all four kinds included", () => {
    for (const year of [1, 4, 100, 400, 1900, 2000, 2023, 2024, 9999]) {
      for (let month = 1; month <= 12; month++) {
        for (let day = 1; day <= 31; day++) {
          const date = new Date(Date.UTC(2000, 0, 1));
          date.setUTCFullYear(year, month - 1, day);
          const pad = (value: number, width: number) => String(value).padStart(width, "0");
          const text = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T12:00:00Z`;
          expect([text, timestampFault(text) === undefined]).toEqual([text, date.getUTCMonth() === month - 1]);
        }
      }
    }
  });

  test("accepts every valid combination of its parts", () => {
    fc.assert(fc.property(validTimestamp, (timestamp) => timestampFault(timestamp) === undefined));
  });

  test("repeats no part of what it refuses but two digits, so that nothing hostile is echoed", () => {
    fc.assert(fc.property(fc.string(), (text) => (timestampFault(text) ?? "").length < 100));
  });
});
