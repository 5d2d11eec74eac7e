/**
 * What the publishers know: every delivery, when it was invoked, and how it ended. The checker holds rows and counters
 * to this, and to nothing that the system under test says of itself.
 *
 *   ok       answered with 200: acknowledged, so it must not be lost
 *   failed   answered with a 4xx: surely not taken
 *   unknown  503, or the connection broke, or no answer came: it may or may not have been taken
 *   invoked  not ended yet
 */
import { identityOf, type TestEvent } from "@sekali/aggregator/harness/event-factory";

export type Outcome = "invoked" | "ok" | "failed" | "unknown";

export interface Attempt {
  readonly events: readonly TestEvent[];
  /** Milliseconds of this process's monotonic clock. */
  readonly invokedAtMs: number;
  endedAtMs: number | undefined;
  outcome: Outcome;
  /** The status of the answer, or how the call broke. */
  answer: string;
}

/** A stretch in which Redis was made to lose: what attempts that were invoked before its end brought may be gone. */
export interface LossWindow {
  readonly endedAtMs: number;
}

export class History {
  readonly attempts: Attempt[] = [];
  readonly losses: LossWindow[] = [];
  /** Deliveries by outcome. */
  readonly deliveries: Record<Outcome, number> = { invoked: 0, ok: 0, failed: 0, unknown: 0 };
  /** Deliveries that were put into the stream so that they become dead letters. */
  poisoned = 0;

  /** Deliveries that were acknowledged so far, in the shape that a watch of `/stats` asks for. */
  get acknowledged(): number {
    return this.deliveries.ok + this.poisoned;
  }

  /** Deliveries that may have been taken. */
  get attempted(): number {
    const { invoked, ok, unknown } = this.deliveries;
    return invoked + ok + unknown + this.poisoned;
  }

  invoke(events: readonly TestEvent[]): Attempt {
    const attempt: Attempt = {
      events,
      invokedAtMs: performance.now(),
      endedAtMs: undefined,
      outcome: "invoked",
      answer: "",
    };
    this.attempts.push(attempt);
    this.deliveries.invoked += events.length;
    return attempt;
  }

  end(attempt: Attempt, outcome: Exclude<Outcome, "invoked">, answer: string): void {
    this.deliveries.invoked -= attempt.events.length;
    this.deliveries[outcome] += attempt.events.length;
    attempt.outcome = outcome;
    attempt.answer = answer;
    attempt.endedAtMs = performance.now();
  }

  /** Redis was made to lose something, and is whole again from now on. */
  lossEnds(): void {
    this.losses.push({ endedAtMs: performance.now() });
  }

  /** Everything that was sent under each identity, whatever came of it. */
  versions(): Map<string, TestEvent[]> {
    const versions = new Map<string, TestEvent[]>();
    for (const { events, outcome } of this.attempts) {
      if (outcome === "failed") continue;
      for (const event of events) {
        const identity = identityOf(event);
        const known = versions.get(identity);
        if (known === undefined) versions.set(identity, [event]);
        else if (!known.includes(event)) known.push(event);
      }
    }
    return versions;
  }

  /** How often each identity was sent, surely refused deliveries left out. */
  sent(): Map<string, number> {
    const sent = new Map<string, number>();
    for (const { events, outcome } of this.attempts) {
      if (outcome === "failed") continue;
      for (const event of events) sent.set(identityOf(event), (sent.get(identityOf(event)) ?? 0) + 1);
    }
    return sent;
  }

  /** The latest instant at which an acknowledged attempt of each identity was invoked. */
  acknowledgedAt(): Map<string, number> {
    const latest = new Map<string, number>();
    for (const { events, outcome, invokedAtMs } of this.attempts) {
      if (outcome !== "ok") continue;
      for (const event of events) {
        const identity = identityOf(event);
        latest.set(identity, Math.max(latest.get(identity) ?? 0, invokedAtMs));
      }
    }
    return latest;
  }
}
