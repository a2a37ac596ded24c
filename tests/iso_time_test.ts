import assert from "node:assert/strict";
import fc from "fast-check";
import { isoOf } from "../lib/model/iso_time.ts";

Deno.test("isoOf: returns the runtime's text for every time", () => {
  const times = fc.oneof(
    fc.integer({ min: 0, max: Date.UTC(10_000, 0, 1) - 1 }),
    fc.integer({ min: -8.64e15, max: 8.64e15 }),
    fc.double({ min: 0, max: 2e12, noNaN: true }),
  );
  fc.assert(
    fc.property(times, (ms) => {
      assert.equal(isoOf(ms), new Date(ms).toISOString());
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("isoOf: returns right texts for days in any order", () => {
  const midnight = Date.UTC(2026, 10, 29);
  for (const ms of [midnight - 1, midnight, midnight - 1, midnight + 1]) {
    assert.equal(isoOf(ms), new Date(ms).toISOString());
  }
});

Deno.test("isoOf: throws outside of the range of Date", () => {
  for (const ms of [NaN, Infinity, 8.64e15 + 1]) {
    assert.throws(() => isoOf(ms), RangeError);
  }
});
