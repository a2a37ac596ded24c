import assert from "node:assert/strict";
import { type Json, type MessageBus, PayloadTooLargeError } from "../mod.ts";
import { Home, payloadsOf, take, within } from "./fixture.ts";

const payloads = async (bus: MessageBus, channel: string) =>
  payloadsOf((await bus.poll(channel)).messages);

Deno.test("every JSON value is read as it was published", async () => {
  await using home = new Home();
  const bus = await home.open();
  const values: Json[] = [
    null,
    true,
    0,
    -1.5e300,
    "",
    "\0 \u2028 \ud83d\ude00 \ud800",
    [],
    {},
    [[], {}, [null]],
    { "": 1, "__proto__x": 2, "a b": { c: ["ü"] } },
    { kept: 1, left: undefined },
  ];
  const reader = bus.subscribe("a");
  await reader.ready;
  for (const value of values) await bus.publish("a", value);
  const seen = (await take(reader, values.length)).map((m) => m.payload);
  assert.deepEqual(seen, [...values.slice(0, -1), { kept: 1 }]);
});

/** Returns lists nested `depth` deep. */
function nested(depth: number): Json {
  let value: Json = [];
  for (let i = 1; i < depth; i++) value = i % 2 === 0 ? [value] : { value };
  return value;
}

/** Returns an object that contains itself. */
function cycle(): unknown {
  const value: Record<string, unknown> = {};
  value.self = value;
  return value;
}

/** Returns a small object with 2^60 values as text. */
function doubled(): unknown {
  let value: unknown = 1;
  for (let i = 0; i < 60; i++) value = [value, value];
  return value;
}

const REFUSED: Record<string, unknown> = {
  "undefined": undefined,
  "undefined in a list": [undefined],
  "a hole in a list": Object.assign([], { length: 2 }),
  "NaN": NaN,
  "Infinity": { a: -Infinity },
  "a bigint": 1n,
  "a function": () => 1,
  "a member that is a function": { toJSON: () => 1 },
  "a symbol": Symbol("a"),
  "a member named by a symbol": { [Symbol("a")]: 1 },
  "a Date": new Date(),
  "a Map": new Map(),
  "bytes": new Uint8Array(1),
  "a boxed string": Object("a"),
  "a class's instance": new (class Point {})(),
  "a cycle": cycle(),
  "65 levels": nested(65),
  "more than fits when written out": doubled(),
};

Deno.test("a payload that is not JSON is refused, and nothing is stored", async () => {
  await using home = new Home();
  const bus = await home.open();
  for (const [what, payload] of Object.entries(REFUSED)) {
    const refused = { field: "payload", kind: "input" };
    await assert.rejects(
      within(what, bus.publish("a", payload as Json)),
      refused,
      what,
    );
    const many = [{ channel: "a", payload: 1 }, {
      channel: "a",
      payload: payload as Json,
    }];
    await assert.rejects(bus.publishMany(many), refused, what);
  }
  assert.equal((await bus.stats()).messages, 0);
  await bus.publish("a", nested(64));
  assert.deepEqual(await payloads(bus, "a"), [nested(64)]);
});

Deno.test("a payload is measured in bytes of UTF-8", async () => {
  await using home = new Home();
  const bus = await home.open();
  // Two bytes of each text are quotes.
  const fits = ["x".repeat(65_534), "ü".repeat(32_767), "€".repeat(21_844)];
  const tooLarge: [string, number][] = [
    ["x".repeat(65_535), 65_537],
    ["ü".repeat(32_768), 65_538],
    ["😀".repeat(40_000), 160_002],
    ["€".repeat(70_000), 210_002],
  ];
  for (const payload of fits) await bus.publish("a", payload);
  for (const [payload, payloadBytes] of tooLarge) {
    await assert.rejects(bus.publish("a", payload), (error) => {
      assert.ok(error instanceof PayloadTooLargeError);
      assert.equal(error.payloadBytes, payloadBytes);
      assert.equal(error.payloadBytesMax, 65_536);
      return true;
    });
  }
  assert.deepEqual(await payloads(bus, "a"), fits);
});

Deno.test("the largest payload can be configured up to 1 MiB", async () => {
  await using home = new Home();
  const bus = await home.open({ payloadBytesMax: 1 << 20 });
  const largest = "x".repeat((1 << 20) - 2);
  await bus.publish("a", largest);
  await assert.rejects(bus.publish("a", `${largest}x`), PayloadTooLargeError);
  assert.deepEqual(await payloads(bus, "a"), [largest]);
  const small = await home.open({ payloadBytesMax: 4 });
  await small.publish("a", "ab");
  await assert.rejects(small.publish("a", "abc"), PayloadTooLargeError);
  for (const payloadBytesMax of [0, (1 << 20) + 1, NaN, 1.5]) {
    await assert.rejects(home.open({ payloadBytesMax }), {
      field: "payloadBytesMax",
    });
  }
});
