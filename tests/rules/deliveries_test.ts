/** Deliveries of direct messages only move forward, as far as is proven. */

import assert from "node:assert/strict";
import { InboxFullError } from "../../lib/model/errors.ts";
import type { DeliveryState } from "../../lib/model/delivery.ts";
import {
  CLAIM_LEASE_MS,
  claimDeliveries,
  deliveryOf,
  moveDeliveries,
} from "../../lib/rules/deliveries.ts";
import { INBOX_MESSAGES_MAX } from "../../lib/rules/messages.ts";
import { purgeMessages } from "../../lib/rules/purge.ts";
import { endSession } from "../../lib/rules/sessions.ts";
import { HOUR_MS, World } from "./world.ts";

const STATES: readonly DeliveryState[] = [
  "queued",
  "noticed",
  "injected",
  "acked",
];

function world(): World {
  const world = new World();
  for (const id of ["ann", "bob"]) world.join(id);
  return world;
}

/** Sends a message from ann to bob; returns its id. */
function send(world: World): string {
  world.publish("ann", "hello", { to: "bob" });
  return String(world.memory.lastId);
}

function move(
  world: World,
  id: string,
  state: DeliveryState,
  by = "bob",
): void {
  world.run((records, at) => moveDeliveries(records, at, by, [id], state));
}

function stateOf(world: World, id: string): string | undefined {
  return world.run((records, at) => deliveryOf(records, at, id))?.state;
}

for (const [from, first] of STATES.entries()) {
  for (const [to, then] of STATES.entries()) {
    const last = STATES[Math.max(from, to)];
    Deno.test(`move: ${first}, moved to ${then}, is ${last}`, () => {
      const here = world();
      const id = send(here);
      move(here, id, first);
      move(here, id, then);
      assert.equal(stateOf(here, id), last);
      // Only a move wakes the sender.
      assert.deepEqual(here.changes, []);
      move(here, id, then);
      assert.deepEqual(here.changes, []);
    });
  }
}

Deno.test("move: the sender is woken, and several move from their own states", () => {
  const here = world();
  const [one, two] = [send(here), send(here)];
  move(here, one, "injected");
  assert.deepEqual(here.wakes, ["deliveries ann"]);
  here.run((records, at) =>
    moveDeliveries(records, at, "bob", [one, two, "99"], "noticed")
  );
  assert.equal(here.changes.length, 1);
  assert.deepEqual([stateOf(here, one), stateOf(here, two)], [
    "injected",
    "noticed",
  ]);
});

Deno.test("claim: messages that another process has claimed are left out until its claim lapses", () => {
  const here = world();
  const ids = [send(here), send(here), send(here)];
  const claim = (limit = 9) =>
    here.run((records, at) => claimDeliveries(records, at, "bob", ids, limit));
  const other = { pid: 2, startTime: "s2" };
  assert.deepEqual(here.as(other, () => claim(1)), [ids[0]]);
  assert.deepEqual(claim(1), [ids[1]]);
  assert.deepEqual(claim(), [ids[1], ids[2]]);
  here.end(2, "unknown");
  here.advance(CLAIM_LEASE_MS - 1);
  assert.deepEqual(claim(), [ids[1], ids[2]]);
  here.advance(1);
  assert.deepEqual(claim(), ids);
  assert.deepEqual(here.as(other, () => claim()), []);
});

Deno.test("claim: the claim of a dead process lapses at once, and an acknowledgement ends it", () => {
  const here = world();
  const ids = [send(here), send(here)];
  const claim = () =>
    here.run((records, at) => claimDeliveries(records, at, "bob", ids, 9));
  assert.deepEqual(here.as({ pid: 2, startTime: "s2" }, claim), ids);
  here.end(2);
  assert.deepEqual(claim(), ids);
  move(here, ids[0], "acked");
  assert.deepEqual(claim(), [ids[1]]);
  move(here, ids[1], "acked");
  assert.equal(here.memory.records.note.size, 0);
});

Deno.test("move: only the session that it is for moves it", () => {
  const here = world();
  const id = send(here);
  move(here, id, "acked", "ann");
  assert.equal(stateOf(here, id), "queued");
});

Deno.test("answer: the question is acknowledged with it, by its addressee alone", () => {
  const here = world();
  const id = send(here);
  here.join("eve");
  here.publish("eve", "not mine", { replyTo: id, to: "ann" });
  assert.equal(stateOf(here, id), "queued");
  here.publish("bob", "yes", { replyTo: id, to: "ann" });
  assert.equal(stateOf(here, id), "acked");
});

// The state of a delivery, whether the addressee runs, and the state at expiry.
const EXPIRING: readonly [DeliveryState, runs: boolean, comesTo: string][] = [
  ["queued", true, "expired"],
  ["queued", false, "undeliverable"],
  ["noticed", true, "expired"],
  ["noticed", false, "undeliverable"],
  ["injected", true, "injected"],
  ["injected", false, "injected"],
  ["acked", false, "acked"],
];

for (const [state, runs, comesTo] of EXPIRING) {
  const whom = runs ? "runs" : "has ended";
  Deno.test(`expiry: ${state}, to a session that ${whom}, is ${comesTo}`, () => {
    const here = world();
    const id = send(here);
    move(here, id, state);
    if (!runs) here.run((records, at) => endSession(records, at, "bob"));
    here.advance(HOUR_MS);
    assert.equal(stateOf(here, id), comesTo);
    assert.deepEqual(here.changes, []);
    // The purge keeps the shown state.
    here.run((records, at) => purgeMessages(records, at, 10));
    assert.equal(here.memory.records.message.has(id), false);
    assert.equal(stateOf(here, id), comesTo);
  });
}

Deno.test("expiry: an expired unread message cannot be read, an injected one can be acknowledged", () => {
  const here = world();
  const [unread, given] = [send(here), send(here)];
  move(here, given, "injected");
  here.advance(HOUR_MS);
  for (const id of [unread, given]) move(here, id, "acked");
  assert.deepEqual(
    [stateOf(here, unread), stateOf(here, given)],
    ["expired", "acked"],
  );
  here.run((records, at) => purgeMessages(records, at, 10));
  move(here, unread, "acked");
  assert.equal(stateOf(here, unread), "expired");
});

Deno.test("there is no delivery of a message for all, or of none", () => {
  const here = world();
  here.publish("ann", "all");
  assert.equal(stateOf(here, String(here.memory.lastId)), undefined);
  assert.equal(stateOf(here, "99"), undefined);
});

Deno.test("expiry: unread messages are reported to their sender, once", () => {
  const here = world();
  here.join("eve");
  const ids = [send(here), send(here), send(here)];
  here.publish("eve", "also", { to: "bob" });
  const told = send(here);
  move(here, told, "injected");
  here.advance(HOUR_MS);
  const notices = () => {
    for (let i = 0; i < 2; i++) {
      here.run((records, at) => purgeMessages(records, at, 10));
    }
    return here.memory.messages.filter(({ channel }) => channel === "notice")
      .map(({ to, payload }) => [to, payload]);
  };
  const wanted = [
    [
      "ann",
      `Messages ${ids[0]}, ${ids[1]} and ${ids[2]} to bob expired unread.`,
    ],
    ["eve", `Message ${Number(ids[2]) + 1} to bob expired unread.`],
  ];
  assert.deepEqual(notices(), wanted);
  // A report that expires unread is not reported.
  here.advance(30 * 24 * HOUR_MS);
  assert.deepEqual(notices(), []);
});

Deno.test("expiry: the report says that the addressee has ended", () => {
  const here = world();
  const id = send(here);
  here.run((records, at) => endSession(records, at, "bob"));
  here.advance(HOUR_MS);
  here.run((records, at) => purgeMessages(records, at, 10));
  assert.equal(
    here.memory.messages.at(-1)?.payload,
    `Message ${id} to bob expired unread: bob has ended.`,
  );
});

Deno.test("inbox: a session gets messages up to the limit of unacknowledged ones", () => {
  const here = world();
  here.run(function* (records) {
    yield [];
    for (let i = 0; i < INBOX_MESSAGES_MAX; i++) {
      records.say({
        sender: "ann",
        channel: "a",
        payloadText: "1",
        ttlSeconds: HOUR_MS / 1000,
        project: null,
        to: "bob",
      });
    }
  });
  const full = () => here.publish("ann", "one more", { to: "bob" });
  assert.throws(full, InboxFullError);
  // Other sessions are not concerned, and an acknowledgement makes room.
  here.publish("bob", "hello", { to: "ann" });
  move(here, String(here.memory.lastId - 1), "acked");
  full();
  assert.throws(full, InboxFullError);
});
