import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { findTextFaults, judgeText } from "./json-text.ts";
import { Places } from "./places.ts";

const SINGLE = 1;
const BATCH = 2;
const depthMax = (baseDepth: number) => baseDepth + 64;

function faults(text: string, baseDepth = SINGLE): readonly (readonly [pointer: string, detail: string])[] {
  const places = new Places();
  findTextFaults(text, baseDepth, places);
  return places.named.map((place) => [place.pointer, place.detail] as const);
}

const DIGITS_FAULT = "must not have more than 1000 digits";
const EXPONENT_FAULT = "must have an exponent between -308 and 308";
const NUL_FAULT = "must not contain the character NUL (\\u0000), which Postgres cannot keep";
const HALF_FAULT = "must not contain half a surrogate pair, which is no character and cannot be kept";
const DEPTH_FAULT = "must not nest deeper than 64 levels";

describe("numbers", () => {
  test.each([
    "0",
    "-0",
    "1.5",
    "1e308",
    "1E+308",
    "-1.5e-308",
    "1e0000308",
    "9".repeat(1000),
    `-0.${"9".repeat(999)}`,
    `1.${"9".repeat(996)}e308`,
  ])("keeps %s", (number) => {
    for (const text of [`{"n":${number}}`, `[${number}]`, number, `{"n":${number},"m":1}`]) {
      expect(judgeText(text, depthMax(SINGLE))).toBe("clean");
      expect(faults(text)).toEqual([]);
    }
  });

  test.each([
    ["1e309", EXPONENT_FAULT],
    ["1e-309", EXPONENT_FAULT],
    ["0e+309", EXPONENT_FAULT],
    ["1e-20000", EXPONENT_FAULT],
    ["-1.5E99999999999999999999", EXPONENT_FAULT],
    [`1e${"9".repeat(900)}`, EXPONENT_FAULT],
    ["9".repeat(1001), DIGITS_FAULT],
    [`-0.${"9".repeat(1000)}`, DIGITS_FAULT],
    [`1.${"9".repeat(997)}e308`, DIGITS_FAULT],
    [`1e${"0".repeat(1000)}`, DIGITS_FAULT],
  ])("refuses %s", (number, fault) => {
    expect(judgeText(`{"n":${number}}`, depthMax(SINGLE))).toBe("faulty");
    expect(faults(`{"n":${number}}`)).toEqual([["/n", fault]]);
    expect(faults(`[0,{"n":[1,${number},2]},3]`)).toEqual([["/1/n/1", fault]]);
  });

  test("are not looked for in strings", () => {
    const text = `{"1e999":"1e999 \\" 1e999 ${"9".repeat(2000)}"}`;
    expect(judgeText(text, depthMax(SINGLE))).toBe("clean");
    expect(faults(text)).toEqual([]);
  });
});

describe("strings", () => {
  test.each([
    String.raw`"\u0001"`,
    String.raw`"\\u0000"`,
    String.raw`"\\\\u0000"`,
    String.raw`"\"\\"`,
    String.raw`"\ud83d\ude42"`,
    String.raw`"\uD83D\uDE42\uD83D\uDE42"`,
    String.raw`"\\ud83d"`,
    String.raw`"\ud7ff\ue000\uffff"`,
    String.raw`"\n\/\b"`,
    `"🙂\uffff\u007f"`,
  ])("keeps %s", (string) => {
    for (const text of [`{"s":${string}}`, `{${string}:1}`, `["\\\\",${string},"a"]`]) {
      expect(judgeText(text, depthMax(SINGLE))).toBe("clean");
      expect(faults(text)).toEqual([]);
    }
  });

  test.each([
    [String.raw`"\u0000"`, NUL_FAULT],
    [String.raw`"a\\\u0000"`, NUL_FAULT],
    [String.raw`"\"\u0000"`, NUL_FAULT],
    [String.raw`"\n\ud83d\ude42\u0000"`, NUL_FAULT],
    [String.raw`"\ud83d"`, HALF_FAULT],
    [String.raw`"\uDBFF"`, HALF_FAULT],
    [String.raw`"\ud800a"`, HALF_FAULT],
    [String.raw`"\ude42"`, HALF_FAULT],
    [String.raw`"\udfff"`, HALF_FAULT],
    [String.raw`"\ude42\ude42"`, HALF_FAULT],
    [String.raw`"\udc00\ud800"`, HALF_FAULT],
    [String.raw`"\ud83d\ud83d\ude42"`, HALF_FAULT],
    [String.raw`"\ud83d\ude42\ude42"`, HALF_FAULT],
    [String.raw`"\ud83d\n"`, HALF_FAULT],
    [String.raw`"\ud83d\u0041"`, HALF_FAULT],
    [String.raw`"\ud83d\ue000"`, HALF_FAULT],
    [String.raw`"\ud83dude42"`, HALF_FAULT],
    [String.raw`"\ud83d\\ude42"`, HALF_FAULT],
  ])("refuses %s", (string, fault) => {
    expect(judgeText(`{"s":${string}}`, depthMax(SINGLE))).toBe("faulty");
    expect(faults(`{"s":${string}}`)).toEqual([["/s", fault]]);
    expect(faults(`{"a":"\\\\","b":[0,${string},1]}`)).toEqual([["/b/1", fault]]);
    expect(judgeText(`{${string}:1}`, depthMax(SINGLE))).toBe("faulty");
    expect(faults(`{"a":[{${string}:1}]}`).map(([, detail]) => detail)).toEqual([`has a name that ${fault}`]);
  });

  test("finds a fault behind a string with harmless escapes and before one", () => {
    for (const text of [
      String.raw`["\n","\u0000"]`,
      String.raw`["\u0000","\n"]`,
      String.raw`["\n","a","\u0000","\n"]`,
    ]) {
      expect(judgeText(text, depthMax(SINGLE))).toBe("faulty");
    }
  });
});

describe("depth", () => {
  const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;
  const event = (payload: string) => `{"payload":${payload}}`;

  test("counts the payload object as level 1 and keeps 64 levels", () => {
    expect(judgeText(event(nested(64)), depthMax(SINGLE))).toBe("clean");
    expect(judgeText(event(nested(65)), depthMax(SINGLE))).toBe("deep");
    expect(judgeText(`[${event(nested(64))}]`, depthMax(BATCH))).toBe("clean");
    expect(judgeText(`[${event(nested(65))}]`, depthMax(BATCH))).toBe("deep");
  });

  test("counts arrays as it counts objects", () => {
    expect(judgeText(event(`{"a":${"[".repeat(63)}${"]".repeat(63)}}`), depthMax(SINGLE))).toBe("clean");
    expect(judgeText(event(`{"a":${"[".repeat(64)}${"]".repeat(64)}}`), depthMax(SINGLE))).toBe("deep");
  });

  test("counts what is open, not what has been opened", () => {
    const flat = `{"a":[${"[],{},".repeat(100)}0]}`;
    expect(judgeText(event(flat), depthMax(SINGLE))).toBe("clean");
    expect(faults(event(flat))).toEqual([]);
  });

  test("ignores brackets in strings", () => {
    expect(judgeText(event(`{"a":"${"[{".repeat(100)}\\"${"[{".repeat(100)}"}`), depthMax(SINGLE))).toBe("clean");
  });

  test("names the payload of each event that is too deep, once", () => {
    const deep = event(`{"a":${nested(70)},"b":${nested(70)}}`);
    expect(faults(deep)).toEqual([["/payload", DEPTH_FAULT]]);
    expect(faults(`[${event("{}")},${deep},${deep}]`, BATCH)).toEqual([
      ["/1/payload", DEPTH_FAULT],
      ["/2/payload", DEPTH_FAULT],
    ]);
  });

  test("still knows the places after what is too deep", () => {
    const text = `{"payload":{"a":${nested(70)},"b":[0,1e999]},"x":1e999}`;
    expect(faults(text)).toEqual([
      ["/payload", DEPTH_FAULT],
      ["/payload/b/1", EXPONENT_FAULT],
      ["/x", EXPONENT_FAULT],
    ]);
  });

  test("still counts elements right beside what is too deep", () => {
    const text = `{"payload":{"a":${"[".repeat(63)}[1,2,3],1e999${"]".repeat(63)}}}`;
    expect(faults(text)).toEqual([
      ["/payload", DEPTH_FAULT],
      [`/payload/a${"/0".repeat(62)}/1`, EXPONENT_FAULT],
    ]);
  });

  test("leaves room to name other places however often one event is too deep", () => {
    const deep = event(`{"a":${"[".repeat(63)}${"[],".repeat(100)}[]${"]".repeat(63)}}`);
    expect(faults(`[${deep},${event('{"b":1e999}')}]`, BATCH)).toEqual([
      ["/0/payload", DEPTH_FAULT],
      ["/1/payload/b", EXPONENT_FAULT],
    ]);
  });

  test("names no place inside what is too deep", () => {
    const text = event(`${'{"a":'.repeat(70)}["\\u0000",1e999,{"\\u0000":1}]${"}".repeat(70)}`);
    expect(faults(text)).toEqual([["/payload", DEPTH_FAULT]]);
  });
});

describe("places", () => {
  test.each([
    ["a value that a later duplicate of its key hides", `{"a":1e999,"a":1}`, ["/a"]],
    ["a name that needs escapes in a pointer", `{"a/b~c":1e999}`, ["/a~1b~0c"]],
    ["a name that is escaped in the text", String.raw`{"\u0061\n":1e999}`, ["/a\n"]],
    ["an empty name", `{"":{"":1e999}}`, ["//"]],
    ["after nested containers have closed", `{"a":{"b":[1,2,{"c":3}]},"d":1e999}`, ["/d"]],
    ["elements after nested containers", `[[1,2],{"a":[3]},1e999]`, ["/2"]],
    ["white space everywhere", ` { "a" : [ 1 , { "b" : 1e999 } ] } `, ["/a/1/b"]],
    ["the document itself", `1e999`, [""]],
    ["several places", `{"a":1e999,"b":["\\u0000"],"c":1e-999}`, ["/a", "/b/0", "/c"]],
  ])("are right for %s", (_name, text, pointers) => {
    expect(judgeText(text, depthMax(SINGLE))).toBe("faulty");
    expect(faults(text).map(([pointer]) => pointer)).toEqual(pointers);
  });

  test("are right wherever in a document the fault is planted", () => {
    const MARK = 123456789;
    const document = fc.letrec<{ spine: [unknown, string]; leaf: unknown }>((tie) => ({
      // Doubles below the smallest normal one are written with exponents down to -324, which are faults themselves.
      leaf: fc.jsonValue({ maxDepth: 2 }).filter((value) => !/e-3(?:09|[12]\d)/.test(JSON.stringify(value))),
      spine: fc.oneof(
        { maxDepth: 6 },
        fc.constant<[unknown, string]>([MARK, ""]),
        fc
          .tuple(fc.array(tie("leaf"), { maxLength: 3 }), tie("spine"), fc.array(tie("leaf"), { maxLength: 3 }))
          .map(([before, [value, pointer], after]): [unknown, string] => [
            [...before, value, ...after],
            `/${before.length}${pointer}`,
          ]),
        fc
          .tuple(
            fc.dictionary(fc.string({ maxLength: 8 }), tie("leaf"), { maxKeys: 3 }),
            fc.string({ maxLength: 8 }),
            tie("spine"),
          )
          .filter(([others, name]) => name !== "__proto__" && !Object.hasOwn(others, name))
          .map(([others, name, [value, pointer]]): [unknown, string] => [
            { ...others, [name]: value },
            `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}${pointer}`,
          ]),
      ),
    })).spine;
    fc.assert(
      fc.property(document, fc.constantFrom(undefined, 1, "\t"), ([value, pointer], indent) => {
        const text = JSON.stringify(value, null, indent).replace(String(MARK), "1e999");
        expect(faults(text)).toEqual([[pointer, EXPONENT_FAULT]]);
      }),
    );
  });
});

describe("any text", () => {
  const pieces = fc.array(
    fc.constantFrom(...'{}[],:"\\-', "\\u0000", "\\ud83d", "\\ude42", "\\n", "1e309", "12", "a", '"a":', '"b"', " "),
    { maxLength: 60 },
  );

  test("the fast and the slow half agree on whether there is a fault", () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join("");
        expect(judgeText(text, depthMax(SINGLE)) === "clean").toBe(faults(text).length === 0);
      }),
      { numRuns: 2000 },
    );
  });

  test("a clean verdict on valid JSON means that no string holds NUL or half a pair", () => {
    const holdsUnkeepable = (value: unknown): boolean => {
      if (typeof value === "string") return value.includes("\0") || !value.isWellFormed();
      if (typeof value !== "object" || value === null) return false;
      return Object.entries(value).some(([name, inner]) => holdsUnkeepable(name) || holdsUnkeepable(inner));
    };
    const unit = fc.constantFrom("\0", "\ud83d", "\ude42", "\\", '"', "u", "0", "a", "🙂");
    const strings = fc.string({ unit, maxLength: 6 });
    const escapeAll = (text: string) =>
      text.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
    fc.assert(
      fc.property(fc.dictionary(strings, fc.array(strings)), (value) => {
        const text = escapeAll(JSON.stringify(value));
        expect(judgeText(text, depthMax(SINGLE)) === "faulty").toBe(holdsUnkeepable(value));
      }),
      { numRuns: 2000 },
    );
  });

  test("takes time in proportion to its length, however it repeats its faults", () => {
    // Each of these took minutes, or grew with the square of the length, in a version that looked too far ahead.
    const hostile = [
      `{"n":1e999,"s":[${'"a",'.repeat(500_000)}0]}`,
      `{"a":[${'"\\n",'.repeat(500_000)}"\\u0000"]}`,
      `${'{"a":'.repeat(60)}{${'"a":1e999,'.repeat(200_000)}"b":1}${"}".repeat(60)}`,
      "[".repeat(2_000_000),
      `{"a":${"[".repeat(66)}${"[],".repeat(500_000)}`,
      '"'.repeat(1_000_001),
      "\\".repeat(2_000_000),
      "1".repeat(2_000_000),
    ];
    const startedAt = performance.now();
    for (const text of hostile) {
      judgeText(text, depthMax(SINGLE));
      faults(text);
    }
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});
