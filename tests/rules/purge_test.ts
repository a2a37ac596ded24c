/** Expired records are deleted in bounded steps, and no others. */

import assert from "node:assert/strict";
import type { Purged } from "../../lib/model/message.ts";
import {
  DELIVERY_KEPT_MS,
  moveDeliveries,
} from "../../lib/rules/deliveries.ts";
import {
  FOLLOWS_NOTE,
  NOTE_KEPT_MS,
  noteActivity,
} from "../../lib/rules/notes.ts";
import {
  isPurgeDue,
  NAME_KEPT_MS,
  purge,
  PURGE_AFTER_MS,
  purgeExpiredAfter,
  purgeMessages,
  SESSION_KEPT_MS,
  STEP_MESSAGES_MAX,
} from "../../lib/rules/purge.ts";
import { changeFollows } from "../../lib/rules/follows.ts";
import { endSession } from "../../lib/rules/sessions.ts";
import { endClaim, ENDED_TASK_KEPT_MS } from "../../lib/rules/tasks.ts";
import { HOUR_MS, World } from "./world.ts";

const NEVER = 1e9;

/** Makes a world of ann without the message of the registration. */
function world(): World {
  const world = new World();
  world.join("ann");
  world.advance(30_000);
  step(world);
  return world;
}

function step(world: World, cap: number = NEVER): Purged {
  return world.run((records, at) => purge(records, at, cap, ""));
}

/** Publishes many messages of ann in one decision. */
function publishMany(world: World, count: number, ttlSeconds = 3_600): void {
  world.run(function* (records) {
    yield [];
    for (let i = 0; i < count; i++) {
      records.say({
        sender: "ann",
        channel: "a",
        payloadText: String(i),
        ttlSeconds,
        project: null,
      });
    }
  });
}

/** Returns the kept payloads, without messages of the bus itself. */
function kept(world: World): unknown[] {
  return world.memory.messages.filter(({ channel }) => channel !== "heartbeat")
    .map(({ payload }) => payload);
}

Deno.test("messages: expired ones are deleted, and a second step finds none", () => {
  const here = world();
  here.publish("ann", "short", { ttlSeconds: 60 });
  here.publish("ann", "long", { ttlSeconds: 600 });
  here.advance(59_999);
  assert.equal(step(here).expired, 0);
  here.advance(1);
  const { expired, overCap, more } = step(here);
  assert.deepEqual({ expired, overCap, more }, {
    expired: 1,
    overCap: 0,
    more: false,
  });
  assert.deepEqual(kept(here), ["long"]);
  assert.equal(step(here).expired, 0);
});

Deno.test("messages: a channel keeps its newest up to the cap, and expired ones do not count", () => {
  const here = world();
  here.publish("ann", "gone", { ttlSeconds: 1 });
  for (let i = 0; i < 4; i++) here.publish("ann", i);
  here.publish("ann", "other", { channel: "b" });
  here.advance(1_000);
  const { expired, overCap } = step(here, 2);
  assert.deepEqual([expired, overCap], [1, 2]);
  assert.deepEqual(kept(here), [2, 3, "other"]);
});

Deno.test("messages: the cap spares direct messages until they are acknowledged", () => {
  const here = world();
  here.join("bob");
  for (let i = 0; i < 4; i++) here.publish("ann", i, { to: "bob" });
  const first = String(here.memory.lastId - 3);
  for (let i = 4; i < 8; i++) here.publish("ann", i);
  assert.equal(step(here, 3).overCap, 1);
  assert.deepEqual(kept(here), [0, 1, 2, 3, 5, 6, 7]);
  here.run((records, at) =>
    moveDeliveries(records, at, "bob", [first], "acked")
  );
  assert.equal(step(here, 3).overCap, 1);
  assert.deepEqual(kept(here), [1, 2, 3, 5, 6, 7]);
});

Deno.test("messages: a step deletes its limit, and reports that there is more", () => {
  const here = world();
  publishMany(here, 2.5 * STEP_MESSAGES_MAX, 60);
  here.advance(60_000);
  const steps = Array.from(
    { length: 3 },
    () => here.run((records, at) => purgeMessages(records, at, NEVER)),
  );
  assert.deepEqual(
    steps.map(({ expired, more }) => [expired, more]),
    [[200, true], [200, true], [100, false]],
  );
  publishMany(here, 3 * STEP_MESSAGES_MAX);
  const over = Array.from(
    { length: 4 },
    () => here.run((records, at) => purgeMessages(records, at, 10)),
  );
  assert.deepEqual(
    over.map(({ overCap }) => overCap),
    [200, 200, 190, 0],
  );
  assert.equal(over[3].more, false);
});

Deno.test("messages: a reader's range is purged after its cursor", () => {
  const here = world();
  for (let i = 0; i < 4; i++) here.publish("ann", i, { ttlSeconds: 60 });
  const after = here.memory.messages[1].id;
  here.advance(60_000);
  const purged = here.run((records, at) =>
    purgeExpiredAfter(records, at, after)
  );
  assert.equal(purged, 2);
  assert.deepEqual(kept(here), [0, 1]);
});

// Movement of the clock since the last purge, and whether one is due.
const DUE: readonly [ms: number, isDue: boolean][] = [
  [0, false],
  [PURGE_AFTER_MS - 1, false],
  [PURGE_AFTER_MS, true],
  [HOUR_MS, true],
  [1 - PURGE_AFTER_MS, false],
  [-PURGE_AFTER_MS, true],
  [-HOUR_MS, true],
];

for (const [ms, isDue] of DUE) {
  Deno.test(`due: after ${ms} ms a purge is ${isDue ? "" : "not "}due`, () => {
    const here = world();
    here.advance(ms);
    assert.equal(here.run(isPurgeDue), isDue);
    if (!isDue) return;
    step(here);
    assert.equal(here.run(isPurgeDue), false);
  });
}

Deno.test("due: on a new bus a purge is due", () => {
  const here = new World();
  assert.equal(here.run(isPurgeDue), true);
});

Deno.test("sessions: an ended one is kept for a day, and while a record refers to it", () => {
  const here = world();
  here.join("bob");
  here.run((records, at) => endSession(records, at, "bob"));
  here.join("joe");
  here.run((records, at) => endSession(records, at, "joe"));
  here.publish("ann", "to the ended", { to: "joe", ttlSeconds: 1e6 });
  here.advance(SESSION_KEPT_MS);
  assert.equal(step(here).sessions, 0);
  here.advance(1);
  assert.equal(step(here).sessions, 1);
  assert.deepEqual([...here.memory.records.session.keys()], ["ann", "joe"]);

  here.join("eve");
  here.publish("eve", "still here", { ttlSeconds: 1e6 });
  here.run((records, at) => endSession(records, at, "eve"));
  here.advance(2 * SESSION_KEPT_MS);
  assert.equal(step(here).sessions, 0);
});

Deno.test("sessions: an ended one with a chosen name is kept for a week", () => {
  const here = world();
  here.join("bob", { name: "backend" });
  here.run((records, at) => endSession(records, at, "bob"));
  here.advance(NAME_KEPT_MS);
  assert.equal(step(here).sessions, 0);
  here.advance(1);
  assert.equal(step(here).sessions, 1);
});

Deno.test("sessions: a step deletes its limit, and reports that there is more", () => {
  const here = world();
  for (let i = 0; i < 25; i++) {
    here.join(`s${i}`);
    here.run((records, at) => endSession(records, at, `s${i}`));
  }
  here.advance(SESSION_KEPT_MS + 1);
  // Their messages are deleted first.
  assert.equal(step(here).sessions, 0);
  const steps = [step(here), step(here)];
  assert.deepEqual(
    steps.map(({ sessions, more }) => [sessions, more]),
    [[20, true], [5, false]],
  );
});

Deno.test("tasks: an ended one is kept for a month, and while an unfinished one depends on it", () => {
  const here = world();
  for (const id of ["alone", "needed"]) here.post(id);
  const claims = ["alone", "needed"].map((id) => here.claim(id, "ann"));
  here.post("open");
  here.post("next", { dependsOn: ["needed", "open"] });
  for (const claim of claims) {
    here.run((records, at) =>
      endClaim(records, at, claim, { status: "done", resultText: "1" })
    );
  }
  here.advance(ENDED_TASK_KEPT_MS);
  step(here);
  assert.equal(here.memory.records.task.size, 4);
  here.advance(1);
  step(here);
  const tasks = [...here.memory.records.task.values()].map(({ task }) =>
    task.id
  );
  assert.deepEqual(tasks, ["needed", "open", "next"]);
});

Deno.test("deliveries: one is kept for a day after its message", () => {
  const here = world();
  here.publish("ann", 1, { to: "ann", ttlSeconds: 60 });
  here.advance(60_000);
  step(here);
  const [delivery] = [...here.memory.records.delivery.values()];
  assert.deepEqual([delivery.state, delivery.expiresAtMs], ["expired", null]);
  here.advance(DELIVERY_KEPT_MS);
  step(here);
  assert.equal(here.memory.records.delivery.size, 1);
  here.advance(1);
  step(here);
  assert.equal(here.memory.records.delivery.size, 0);
});

Deno.test("notes and touches: they are kept for a day", () => {
  const here = world();
  const notes = new Map([["k", "1"]]);
  const note = () =>
    here.run((records, at) =>
      noteActivity(records, at, "ann", { notes, touched: ["/a"] })
    );
  note();
  const left = () => [
    [...here.memory.records.note.values()].filter(({ key }) => key === "k")
      .length,
    here.memory.records.touch.size,
  ];
  here.advance(NOTE_KEPT_MS);
  step(here);
  assert.deepEqual(left(), [1, 1]);
  here.advance(1);
  step(here);
  assert.deepEqual(left(), [0, 0]);
});

Deno.test("a step reaps, removes dead waiters, and serves waiters of freed paths", () => {
  const here = world();
  for (const id of ["bob", "eve", "kim"]) here.join(id);
  here.hold("ann", "/a");
  here.hold("bob", "/b");
  const waiter = here.queue("eve", "/b");
  here.as({ pid: 50, startTime: "s50" }, () => here.queue("kim", "/a"));
  here.end(50);
  here.end("bob");
  step(here);
  assert.equal(here.check(waiter, "eve").state, "held");
  assert.deepEqual(here.waiters, []);
  assert.equal(here.session("bob").status, "terminated");
});

Deno.test("notes: the followed channels are kept as long as the session runs", () => {
  const here = world();
  here.run((records, at) =>
    changeFollows(records, at, "ann", { add: ["builds"] })
  );
  const notes = () =>
    [...here.memory.records.note.values()].filter(({ key }) =>
      key === FOLLOWS_NOTE
    )
      .length;
  for (let day = 0; day < 3; day++) {
    here.advance(NOTE_KEPT_MS + 1);
    step(here);
    assert.equal(notes(), 1);
  }
  here.run((records, at) => endSession(records, at, "ann"));
  here.advance(NOTE_KEPT_MS + 1);
  step(here);
  assert.equal(notes(), 0);
});
