/** A durable name has one leased reader, and counts its losses. */

import assert from "node:assert/strict";
import {
  DurableNameInUseError,
  InvalidInputError,
  LeaseLostError,
} from "../../lib/model/errors.ts";
import type { DurableReader } from "../../lib/model/durable.ts";
import type { Interest } from "../../lib/model/message.ts";
import type { HostedProcess } from "../../lib/model/process.ts";
import {
  advanceDurable,
  forgetUnused,
  lostBy,
  NAME_KEPT_MS,
  READER_LEASE_MS,
  releaseDurable,
  takeDurable,
} from "../../lib/rules/durables.ts";
import { purgeMessages } from "../../lib/rules/purge.ts";
import { ELSEWHERE, HOUR_MS, World } from "./world.ts";

const ON_A: Interest = { channels: ["a"], project: null, session: null };

/** Another process, which requests the name of the first one. */
const OTHER: Partial<HostedProcess> = { pid: 50, startTime: "s50" };

/**
 * Makes a world in which ann registered (message 1) and has published messages with
 * a TTL of an hour.
 */
function world(messages = 0): World {
  const world = new World();
  world.join("ann");
  for (let i = 0; i < messages; i++) world.publish("ann", i);
  return world;
}

function take(
  world: World,
  from = "0",
  { interest = ON_A } = {},
): DurableReader {
  return world.run((records, at) =>
    takeDurable(records, at, "d", interest, from)
  );
}

function advance(
  world: World,
  reader: DurableReader,
  cursor?: string,
): DurableReader {
  return world.run((records, at) =>
    advanceDurable(records, at, reader, cursor)
  );
}

function release(world: World, reader: DurableReader): void {
  world.run((records, at) => releaseDurable(records, at, reader));
}

function lost(world: World, reader: DurableReader): number {
  return world.run((records, at) => lostBy(records, at, reader));
}

function purge(world: World, cap = 100): void {
  world.run((records, at) => purgeMessages(records, at, cap));
}

Deno.test("take: a new name begins at the given cursor, and continues at its own", () => {
  const here = world(3);
  const reader = take(here, "2");
  assert.deepEqual(reader, {
    name: "d",
    project: null,
    cursor: "2",
    lost: 0,
    told: 0,
    token: 1,
    leaseMs: READER_LEASE_MS,
  });
  advance(here, reader, "3");
  release(here, reader);
  assert.equal(take(here, "0").cursor, "3");
  assert.throws(
    () =>
      here.run((records, at) => takeDurable(records, at, "new", ON_A, "99")),
    InvalidInputError,
  );
});

Deno.test("take: a name belongs to its project", () => {
  const here = world();
  take(here);
  take(here, "0", { interest: { ...ON_A, project: "/repo" } });
  assert.equal(here.memory.records.durable.size, 2);
});

// State of the present reader, and whether another may take the name.
const READERS: readonly [
  how: string,
  act: (world: World) => void,
  isFree: boolean,
][] = [
  ["lives", () => {}, false],
  [
    "lives, a moment before its lease ends",
    (world) => world.advance(READER_LEASE_MS - 1),
    false,
  ],
  [
    "lives, and its lease is over",
    (world) => world.advance(READER_LEASE_MS),
    true,
  ],
  ["is dead", (world) => world.end(1), true],
  ["cannot be judged", (world) => world.end(1, "unknown"), false],
];

for (const [how, act, isFree] of READERS) {
  Deno.test(`take: a name whose reader ${how} is ${isFree ? "free" : "in use"}`, () => {
    const here = world();
    const reader = take(here);
    act(here);
    const again = () => here.as(OTHER, () => take(here));
    if (!isFree) {
      assert.throws(again, (error) => {
        assert.ok(error instanceof DurableNameInUseError, String(error));
        assert.match(error.message, /process 1\b(?! of another host)/);
        return true;
      });
      return;
    }
    const next = again();
    assert.ok(next.token > reader.token);
    for (
      const late of [() => advance(here, reader), () => lost(here, reader)]
    ) {
      assert.throws(late, LeaseLostError);
    }
    // Its release does not take the name from the next reader.
    release(here, reader);
    assert.deepEqual(here.changes, []);
  });
}

Deno.test("take: a reader of another host is named so, and lives by its lease", () => {
  const here = world();
  here.as({ host: ELSEWHERE }, () => take(here));
  here.end(1);
  assert.throws(() => take(here), /process 1 of another host/);
  here.advance(READER_LEASE_MS);
  take(here);
});

Deno.test("advance: the cursor only grows, up to the last message, and the lease is renewed", () => {
  const here = world(3);
  const reader = take(here);
  assert.equal(advance(here, reader, "2").cursor, "2");
  assert.equal(advance(here, reader, "1").cursor, "2");
  assert.equal(advance(here, reader).cursor, "2");
  assert.throws(() => advance(here, reader, "5"), InvalidInputError);
  here.advance(READER_LEASE_MS - 1);
  advance(here, reader);
  here.advance(READER_LEASE_MS - 1);
  assert.throws(() => here.as(OTHER, () => take(here)), DurableNameInUseError);
  // An expired lease that no other reader took is still valid.
  here.advance(READER_LEASE_MS);
  advance(here, reader, "3");
});

Deno.test("advance: cursors are compared as numbers, however long", () => {
  const here = world();
  here.memory.lastId = 9;
  const reader = take(here, "9");
  here.memory.lastId = 10;
  assert.equal(advance(here, reader, "10").cursor, "10");
  assert.equal(advance(here, reader, "9").cursor, "10");
});

Deno.test("release: the token is no longer valid, and a late renewal takes nothing back", () => {
  const here = world(1);
  const reader = take(here);
  release(here, reader);
  assert.throws(() => advance(here, reader, "1"), LeaseLostError);
  assert.throws(() => lost(here, reader), LeaseLostError);
  const next = here.as(OTHER, () => take(here));
  assert.equal(next.cursor, "0");
});

Deno.test("release: reported losses are kept for the next reader", () => {
  const here = world(1);
  const reader = take(here);
  here.advance(HOUR_MS);
  purge(here);
  const { lost } = advance(here, reader);
  release(here, { ...reader, told: lost });
  const next = take(here);
  assert.deepEqual([next.lost, next.told], [1, 1]);
});

Deno.test("lost: a message that TTL or cap deletes unacknowledged is counted once", () => {
  const here = world(4);
  const reader = take(here);
  advance(here, reader, "3");
  here.advance(HOUR_MS);
  purge(here);
  assert.equal(lost(here, reader), 2);
  purge(here);
  for (let i = 0; i < 5; i++) here.publish("ann", i);
  purge(here, 2);
  assert.equal(lost(here, reader), 5);
  advance(here, reader, String(here.memory.lastId));
  here.advance(HOUR_MS);
  purge(here);
  assert.equal(lost(here, reader), 5);
});

// Messages that a name reads, and so loses.
const WANTED: readonly [Partial<Interest>, lost: number][] = [
  [{}, 2],
  [{ channels: null }, 3],
  [{ channels: ["none"] }, 0],
  [{ channels: null, project: "/repo" }, 3],
  [{ channels: null, project: "/other" }, 2],
  [{ channels: null, session: "ann" }, 4],
  [{ channels: null, session: "bob" }, 3],
];

for (const [interest, count] of WANTED) {
  Deno.test(`lost: a name of ${JSON.stringify(interest)} loses ${count}`, () => {
    const here = world();
    const reader = take(here, "1", { interest: { ...ON_A, ...interest } });
    here.publish("ann", 1);
    here.publish("ann", 2, { project: "/repo" });
    here.publish("ann", 3, { channel: "b" });
    here.publish("ann", 4, { to: "ann" });
    here.advance(HOUR_MS);
    purge(here);
    assert.equal(lost(here, reader), count);
  });
}

Deno.test("forget: a name that is unused for a week is deleted, a name with a reader stays", () => {
  const here = world();
  const reader = take(here);
  here.advance(NAME_KEPT_MS);
  advance(here, reader);
  here.advance(NAME_KEPT_MS);
  here.run(forgetUnused);
  assert.equal(here.memory.records.durable.size, 1);
  here.advance(1);
  // The next reader gets a new name.
  here.publish("ann", 1);
  const cursor = String(here.memory.lastId);
  assert.equal(take(here, cursor).cursor, cursor);
  here.advance(NAME_KEPT_MS + 1);
  here.run(forgetUnused);
  assert.equal(here.memory.records.durable.size, 0);
});
