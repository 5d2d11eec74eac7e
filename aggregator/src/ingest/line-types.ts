/** The media types of newline-delimited JSON that are taken as a stream of lines. */
export const LINES_TYPES: readonly string[] = ["application/x-ndjson", "application/jsonl"];
