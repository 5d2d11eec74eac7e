/** What the publishers send: new events, the same again, and now and then another content under a known identity. */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { TestEvent } from "@sekali/aggregator/harness/event-factory";

const TOPICS = ["chaos.a", "chaos.b", "chaos.c", "chaos.deep.d"] as const;
const SOURCES = ["web-frontend", "mobile-app", "service-a", "Büro 9 · 東京"] as const;
const FIRST_INSTANT_MS = Date.UTC(2025, 0, 1);
const YEAR_MS = 365 * 24 * 3600 * 1000;
const RESENT_SHARE = 0.3;
const CONFLICTING_SHARE = 0.02;
const BATCH_EVENTS_MAX = 12;
const HISTORY_EVENTS_MAX = 500;

export class EventSource {
  readonly #draw: Draw;
  readonly #recent: TestEvent[] = [];

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  batch(): TestEvent[] {
    return Array.from({ length: this.#draw.integer(1, BATCH_EVENTS_MAX) }, () => this.#next());
  }

  fresh(): TestEvent {
    const draw = this.#draw;
    return {
      topic: draw.pick(TOPICS),
      event_id: draw.uuid(),
      timestamp: new Date(FIRST_INSTANT_MS + draw.integer(0, YEAR_MS)).toISOString(),
      source: draw.pick(SOURCES),
      payload: this.#payload(),
    };
  }

  #next(): TestEvent {
    const draw = this.#draw;
    if (this.#recent.length > 0 && draw.random() < RESENT_SHARE) {
      const again = draw.pick(this.#recent);
      return draw.random() < CONFLICTING_SHARE ? { ...again, payload: this.#payload() } : again;
    }
    const event = this.fresh();
    this.#recent.push(event);
    if (this.#recent.length > HISTORY_EVENTS_MAX) this.#recent.shift();
    return event;
  }

  #payload(): Record<string, unknown> {
    const draw = this.#draw;
    return {
      n: draw.integer(-1e9, 1e9),
      ratio: draw.random(),
      text: draw.pick(["", "plain", 'a "quoted" \\ line\n', "emoji 🙂", "naïve"]),
      nested: { list: [draw.integer(0, 9), null, true, { deep: draw.uuid() }] },
      ["__proto__"]: draw.integer(0, 9),
    };
  }
}
