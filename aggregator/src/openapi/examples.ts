/** The event that the document tells its stories with, and the README, too. */
import type { Event, EventRecord } from "@sekali/contract";

export const SENT_EVENT: Event = {
  topic: "user.auth",
  event_id: "9b2f4e70-3c1d-4c58-9d52-6d1d5d0c7a11",
  timestamp: "2026-01-31T12:00:00.123456Z",
  source: "web-frontend",
  payload: { user: { id: 7 }, ok: true },
};

export const OTHER_EVENT: Event = {
  topic: "user.auth",
  event_id: "0197a3c0-0000-7000-8000-000000000001",
  timestamp: "2026-01-31T12:00:01+07:00",
  source: "web-frontend",
  payload: { user: { id: 8 }, ok: false },
};

export const ARRIVAL = "2026-01-31T12:00:00.150201Z";

export const STORED_EVENT: EventRecord = { ...SENT_EVENT, received_at: ARRIVAL };
