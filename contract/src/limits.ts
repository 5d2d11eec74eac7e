/**
 * Every bound of the contract, with its unit in its name and its reason beside it.
 *
 * This file imports nothing, so that load scripts that are bundled for another runtime can share it.
 * Constants named `…_DEFAULT` can be configured; all others are part of what an event is.
 */

/** Topics are names, not content: long enough for any dotted path, short enough for an index entry. Code points. */
export const TOPIC_CHARACTERS_MAX = 255;

/** As for topics. Code points, because that is what Postgres's `char_length` counts. */
export const SOURCE_CHARACTERS_MAX = 255;

/**
 * The payload object itself is level 1; an array or object directly in it is level 2, and so on.
 * Far past what people write, far below what overflows a stack in any program that reads the event later.
 */
export const PAYLOAD_DEPTH_MAX = 64;

/**
 * The digits of one number, those of its exponent included. Postgres's `numeric` takes many more, but arithmetic on
 * such numbers takes time that grows with the square of their length.
 */
export const NUMBER_DIGITS_MAX = 1000;

/**
 * The exponent of one number, either sign: what a double can hold (1e308). `1e-20000` is a harmless 0 to JavaScript
 * and an error to Postgres, so the number's text is judged, not its value.
 */
export const NUMBER_EXPONENT_MAX = 308;

/**
 * The exponents of one body, added up without their signs: `1e308` is five characters to send and 309 to show, and a
 * body full of it would be fifty times as large in a reply as it was in the request.
 */
export const BODY_EXPONENTS_SUM_MAX = 4 * 1024 * 1024;

/** Postgres keeps microseconds and rounds the rest, which can move an event into the next day. */
export const TIMESTAMP_FRACTION_DIGITS_MAX = 6;

/** Postgres takes no offset of 16 hours or more (`MAX_TZDISP_HOUR`); real ones lie between −12:00 and +14:00. */
export const TIMESTAMP_OFFSET_HOURS_MAX = 15;

/** ISO 8601 without prior agreement knows four digits of a year; year 0000 is no year to Postgres. */
export const TIMESTAMP_YEAR_MIN = 1;
export const TIMESTAMP_YEAR_MAX = 9999;

/** One request's body: 10,000 events of 500 bytes. */
export const BODY_BYTES_MAX_DEFAULT = 5 * 1024 * 1024;

/** One request's events: what one Postgres transaction stores well within a second. */
export const BATCH_EVENTS_MAX_DEFAULT = 10_000;

/** One error reply names at most so many places: enough to see the pattern, too few to be a burden. */
export const NAMED_ERRORS_MAX = 20;

/** One token of a pointer in an error reply; a longer field name is cut. Code points. */
export const POINTER_TOKEN_CHARACTERS_MAX = 64;

/** A whole pointer in an error reply; a longer one is cut, and ends in "…". UTF-16 units. */
export const POINTER_CHARACTERS_MAX = 256;

/** One page of `GET /events`, unless `limit` says otherwise. */
export const EVENTS_PAGE_DEFAULT = 50;

/** The largest `limit` of `GET /events`: one reply stays within a few megabytes for events of usual size. */
export const EVENTS_PAGE_MAX = 1000;

/** The conditions on payloads in one query: each is one more comparison for every row that is looked at. */
export const PAYLOAD_CONDITIONS_MAX = 16;

/** The text that `GET /events?q=` looks for. Code points. */
export const SEARCH_CHARACTERS_MAX = 256;

/** Duplicates that `GET /events/{topic}/{event_id}` lists: enough to see who resends, and how often. */
export const DUPLICATES_SHOWN_MAX = 100;

/** Each topic has a counter row for each shard and a place in every `/stats` reply, so their number is bounded. */
export const TOPICS_MAX_DEFAULT = 1000;
