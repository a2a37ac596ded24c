/** Unknown keys in options of the library. */

import assert from "node:assert/strict";
import {
  Batch,
  InvalidInputError,
  Locks,
  MessageBus,
  openBus,
  type OpenBusOptions,
  Sessions,
  Tasks,
} from "../mod.ts";
import { Home } from "./fixture.ts";

/** Passes options to a method. `any`, because `deno run` checks no types. */
// deno-lint-ignore no-explicit-any
type Call = (bus: MessageBus, options: any) => unknown;

const WITHOUT_OPTIONS = "without options";

/** Runs one call of a batch's builder. */
// deno-lint-ignore no-explicit-any
function inBatch(build: (batch: Batch, options: any) => void): Call {
  return (bus, options) => bus.batch((batch) => build(batch, options));
}

/** Every public method, each with a call and a mistyped key of its options. */
const METHODS: readonly [
  { readonly name: string; readonly prototype: object },
  Readonly<
    Record<string, typeof WITHOUT_OPTIONS | readonly [Call, string, string]>
  >,
][] = [
  [MessageBus, {
    publish: [
      (bus, o) => bus.publish("state", 1, o),
      "ttlSecond",
      "ttlSeconds",
    ],
    publishMany: [
      (bus, o) => bus.publishMany([{ channel: "state", payload: 1, ...o }]),
      "chanel",
      "channel",
    ],
    poll: [(bus, o) => bus.poll("state", o), "allProject", "allProjects"],
    subscribe: [(bus, o) => bus.subscribe("state", o), "durabel", "durable"],
    inbox: [(bus, o) => bus.inbox(o), "signall", "signal"],
    watchDelivery: [
      (bus, o) => bus.watchDelivery("1", o).next(),
      "sginal",
      "signal",
    ],
    sent: [(bus, o) => bus.sent(o), "limt", "limit"],
    tell: [(bus, o) => bus.tell("peer", 1, o), "ttl", "ttlSeconds"],
    ask: [(bus, o) => bus.ask("peer", 1, o), "timeout", "timeoutMs"],
    reply: [
      (bus, o) => bus.reply({ id: "1", sender: "peer", channel: "ask" }, 1, o),
      "projekt",
      "project",
    ],
    delivery: WITHOUT_OPTIONS,
    batch: WITHOUT_OPTIONS,
    purge: WITHOUT_OPTIONS,
    stats: WITHOUT_OPTIONS,
    close: WITHOUT_OPTIONS,
  }],
  [Sessions, {
    register: [(bus, o) => bus.sessions.register(o), "vendro", "vendor"],
    update: [(bus, o) => bus.sessions.update(o), "activeFile", "activeFiles"],
    list: [(bus, o) => bus.sessions.list(o), "endde", "ended"],
    heartbeat: WITHOUT_OPTIONS,
    follow: WITHOUT_OPTIONS,
    unfollow: WITHOUT_OPTIONS,
    followed: WITHOUT_OPTIONS,
    rename: WITHOUT_OPTIONS,
    end: WITHOUT_OPTIONS,
  }],
  [Locks, {
    acquire: [(bus, o) => bus.locks.acquire("a.ts", o), "wait", "waitMs"],
    tryAcquire: [(bus, o) => bus.locks.tryAcquire("a.ts", o), "typ", "type"],
    upgrade: [
      async (bus, o) => {
        await using lock = await bus.locks.acquire("b.ts");
        await bus.locks.upgrade(lock, o);
      },
      "takeover",
      "takeOver",
    ],
    release: [
      async (bus, o) => {
        await using _lock = await bus.locks.acquire("c.ts");
        await bus.locks.release("c.ts", o);
      },
      "agnet",
      "agent",
    ],
    held: [(bus, o) => bus.locks.held("a.ts", o), "patern", "pattern"],
    waiters: [(bus, o) => bus.locks.waiters("a.ts", o), "patern", "pattern"],
    meaning: [(bus, o) => bus.locks.meaning("a.ts", o), "patern", "pattern"],
    target: [(bus, o) => bus.locks.target("a.ts", o), "patern", "pattern"],
    list: [(bus, o) => bus.locks.list(o), "allproject", "allProjects"],
    holders: [(bus, o) => bus.locks.holders("a.ts", o), "patern", "pattern"],
    watch: [(bus, o) => bus.locks.watch(o).next(), "singal", "signal"],
    releaseHolds: WITHOUT_OPTIONS,
  }],
  [Tasks, {
    post: [
      (bus, o) => bus.tasks.post({ title: "write it", ...o }),
      "dependOn",
      "dependsOn",
    ],
    claim: [(bus, o) => bus.tasks.claim("T-1", o), "leaseMS", "leaseMs"],
    claimNext: [(bus, o) => bus.tasks.claimNext(o), "filters", "filter"],
    work: [(bus, o) => bus.tasks.work(() => {}, o), "kinds", "kind"],
    edit: [(bus, o) => bus.tasks.edit("T-1", o), "titel", "title"],
    list: [(bus, o) => bus.tasks.list(o), "stauts", "status"],
    watch: [(bus, o) => bus.tasks.watch(o).next(), "priorityMn", "priorityMin"],
    renew: WITHOUT_OPTIONS,
    complete: WITHOUT_OPTIONS,
    fail: WITHOUT_OPTIONS,
    release: WITHOUT_OPTIONS,
    cancel: WITHOUT_OPTIONS,
    get: WITHOUT_OPTIONS,
  }],
  [Batch, {
    publish: [
      inBatch((b, o) => b.publish("state", 1, o)),
      "replyto",
      "replyTo",
    ],
    post: [inBatch((b, o) => b.post({ title: "x", ...o })), "titel", "title"],
    update: [inBatch((b, o) => b.update(o)), "modle", "model"],
    operationsOf: WITHOUT_OPTIONS,
    release: WITHOUT_OPTIONS,
    complete: WITHOUT_OPTIONS,
    fail: WITHOUT_OPTIONS,
    giveBack: WITHOUT_OPTIONS,
  }],
];

/** Checks that a call refuses a key, and names the key and the known ones. */
async function assertRefuses(
  call: () => unknown,
  key: string,
  nearest?: string,
): Promise<void> {
  await assert.rejects(async () => await call(), (error) => {
    assert.ok(error instanceof InvalidInputError, String(error));
    assert.equal(error.field, key);
    assert.match(error.message, /^Cannot .+: the key ".+" is unknown\. /);
    assert.ok(error.message.includes(`"${key}"`), error.message);
    assert.match(error.message, /Pass only \w+(, \w+)*\.$/);
    const suggested = /Did you mean "(\w+)"\?/.exec(error.message)?.[1];
    assert.equal(suggested, nearest, error.message);
    return true;
  });
}

Deno.test("every method of the library with options refuses an unknown key", async (t) => {
  await using home = new Home();
  const bus = await home.open({ session: "me" });
  const peer = await home.open({ session: "peer" });
  await peer.sessions.register();
  await bus.sessions.register();
  await bus.tasks.post({ id: "T-1", title: "write it" });
  for (const [owner, methods] of METHODS) {
    const { name } = owner;
    const all = Object.getOwnPropertyDescriptors(owner.prototype);
    const found = Object.keys(all).filter((method) =>
      method !== "constructor" && typeof all[method].value === "function"
    );
    await t.step(`${name} has the methods of the table`, () => {
      assert.deepEqual(Object.keys(methods).sort(), found.sort());
    });
    for (const [method, row] of Object.entries(methods)) {
      if (row === WITHOUT_OPTIONS) continue;
      const [call, key, nearest] = row;
      await t.step(`${name}.${method}()`, async () => {
        await assertRefuses(() => call(bus, { [key]: true }), key, nearest);
        await assertRefuses(() => call(bus, { xyzzy: undefined }), "xyzzy");
        // A name of `Object.prototype` is not a known key either.
        await assertRefuses(() => call(bus, { toString: 1 }), "toString");
      });
    }
  }
});

Deno.test("openBus() refuses an unknown key before it makes a bus", async () => {
  await using home = new Home();
  const open = (options: object) => home.open(options as OpenBusOptions);
  await assertRefuses(() => open({ readonly: true }), "readonly", "readOnly");
  await assertRefuses(() => open({ xyzzy: 1 }), "xyzzy");
  await assert.rejects(Deno.stat(home.path), Deno.errors.NotFound);
});

Deno.test("claimNext() refuses an unknown key of its filter", async () => {
  await using home = new Home();
  const bus = await home.open();
  const filter: object = { kinds: "docs" };
  await assertRefuses(() => bus.tasks.claimNext({ filter }), "kinds", "kind");
});

Deno.test("options that inherit an unknown key are refused", async () => {
  await using home = new Home();
  const bus = await home.open();
  const options: object = Object.create({ typ: "exclusive" });
  await assertRefuses(() => bus.locks.acquire("a.ts", options), "typ", "type");
  const known: object = Object.create({ type: "exclusive" });
  await using lock = await bus.locks.acquire("a.ts", known);
  assert.equal(lock.hold.type, "exclusive");
});

Deno.test("options that are not an object are refused", async () => {
  await using home = new Home();
  const bus = await home.open();
  for (const options of ["exclusive", 5_000, null, () => {}]) {
    await assert.rejects(
      () => bus.locks.acquire("a.ts", options as object),
      (error) =>
        error instanceof InvalidInputError &&
        /^Cannot lock "a\.ts": .+ is not an object\. Pass /.test(error.message),
    );
  }
  await assert.rejects(() => openBus(null as unknown as OpenBusOptions), {
    name: "InvalidInputError",
    message: /^Cannot open the bus: null is not an object\. Pass /,
  });
});
