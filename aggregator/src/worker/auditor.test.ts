import { beforeEach, describe, expect, test } from "bun:test";
import { MemoryAuditJudge } from "../../test/fakes/memory-audit-judge.ts";
import { type RecordedLog, recordedLog } from "../../test/fakes/recorded-log.ts";
import type { AuditPlace, Conflict } from "../store/audit-port.ts";
import { StoreAway } from "../store/port.ts";
import { Auditor } from "./auditor.ts";

const LINES_PER_SECOND = 10;
const NOTHING = { conflicts: 0, unjudged: 0, conflicting: [] };

let store: MemoryAuditJudge;
let recorded: RecordedLog;
let auditor: Auditor;
beforeEach(() => {
  store = new MemoryAuditJudge();
  recorded = recordedLog();
  auditor = new Auditor(store, recorded.log);
});

const place = (seq: number): AuditPlace => ({ received_at: "2026-01-31T12:00:00+00:00", shard: 1, seq });

function conflict(seq: number): Conflict {
  const said = { timestamp: "2026-01-31T12:00:00+00:00", source: "svc" };
  const dropped = { ...said, payload: `{"n": ${seq}}` };
  return { ...place(seq), topic: "a", event_id: "id", dropped, stored: { ...said, payload: '{"n": 0}' } };
}

const lines = () => recorded.at("warn").filter(({ msg }) => msg === "Conflict dropped");

describe("judging", () => {
  test("is asked for by a batch that left something, until nothing is left", async () => {
    store.judgements.push(
      { judged: 1000, conflicts: 0, conflicting: [] },
      { judged: 3, conflicts: 0, conflicting: [] },
    );
    auditor.committed({ ...NOTHING, unjudged: 5 });
    await auditor.stop();
    expect(store.asked.length).toBeWithin(1, 4);
    auditor = new Auditor(store, recorded.log);
    auditor.committed({ ...NOTHING, unjudged: 1 });
    await drained();
    expect(store.judgements).toEqual([]);
  });

  test("is not asked for by a batch that left nothing", async () => {
    auditor.committed(NOTHING);
    await auditor.stop();
    expect(store.asked).toEqual([]);
  });

  test("asked for meanwhile happens once more, not at the same time", async () => {
    let underWay = 0;
    store.before = async () => {
      underWay += 1;
      expect(underWay).toBe(1);
      await Promise.resolve();
      underWay -= 1;
    };
    for (let batch = 0; batch < 5; batch += 1) auditor.committed({ ...NOTHING, unjudged: 1 });
    await drained();
    expect(store.asked.length).toBeWithin(1, 3);
  });

  test("looks at start for what another process has left", async () => {
    auditor.start();
    await auditor.stop();
    expect(store.asked).toHaveLength(1);
  });

  test("that fails is said, and tried again when it is asked for", async () => {
    store.before = () => {
      throw new StoreAway("57P01: terminating");
    };
    auditor.committed({ ...NOTHING, unjudged: 1 });
    await drained();
    expect(recorded.at("debug").map(({ msg }) => msg)).toEqual(["Duplicates not judged, trying again later"]);
    store.before = () => {};
    auditor.committed({ ...NOTHING, unjudged: 1 });
    await drained();
    expect(store.asked).toHaveLength(2);
  });

  test("ends with the process, also when it never started", async () => {
    await auditor.stop();
    await auditor.stop();
    auditor.committed({ ...NOTHING, unjudged: 1 });
    expect(store.asked).toEqual([]);
  });
});

describe("a conflict", () => {
  test("is a warning with the difference", async () => {
    store.rows.push(conflict(4));
    auditor.committed({ conflicts: 1, unjudged: 0, conflicting: [place(4)] });
    await auditor.stop();
    const difference = { path: "/payload/n", stored: "0", dropped: "4" };
    expect(lines()).toMatchObject([
      { topic: "a", event_id: "id", source: "svc", shard: 1, seq: 4, differences: [difference], left_out: 0 },
    ]);
  });

  test("that is only found by judging is said as well", async () => {
    store.rows.push(conflict(7));
    store.judgements.push({ judged: 1, conflicts: 1, conflicting: [place(7)] });
    auditor.committed({ ...NOTHING, unjudged: 1 });
    await drained();
    await auditor.stop();
    expect(lines()).toMatchObject([{ seq: 7 }]);
  });

  test("that is not named is counted, and nothing is read for it", async () => {
    auditor.committed({ conflicts: 12, unjudged: 0, conflicting: [] });
    await auditor.stop();
    expect(store.lookedUp).toEqual([]);
    expect(lines()).toEqual([]);
  });

  test("is only named while there is room in the second", async () => {
    expect(auditor.room).toBe(LINES_PER_SECOND);
    auditor.committed({ conflicts: 1, unjudged: 0, conflicting: [place(1)] });
    expect(auditor.room).toBe(0);
    await auditor.stop();
    const quiet = recordedLog("error");
    expect(new Auditor(store, quiet.log).room).toBe(0);
  });

  test("that can't be read harms nothing", async () => {
    store.before = () => {
      throw new StoreAway("57P01: terminating");
    };
    auditor.committed({ conflicts: 1, unjudged: 0, conflicting: [place(1)] });
    await auditor.stop();
    expect(recorded.at("debug").map(({ msg }) => msg)).toEqual(["Conflicts not shown"]);
  });
});

/** Everything that was asked for has happened: the fakes answer within the turn. */
async function drained(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  await new Promise<void>((resolve) => setImmediate(resolve));
}
