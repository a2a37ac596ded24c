/**
 * Durable names, waiters, locks, tasks and sessions are given back although the
 * database is busy when their owner gives them back.
 */

import assert from "node:assert/strict";
import {
  BusyError,
  type Lock,
  type MessageBus,
  type OpenBusOptions,
} from "../mod.ts";
import { Home, numbers, take, until, within } from "./fixture.ts";

const EXCLUSIVE = { type: "exclusive" } as const;
const HASTY: OpenBusOptions = { busyTimeoutMs: 20, session: "ann" };

/** A bus folder, and another program that can keep its database busy. */
class BusyHome extends Home {
  #program: ReturnType<Home["spawn"]> | undefined;

  /** Runs `work` while another process holds the write lock. */
  async whileBusy<T>(work: () => Promise<T>): Promise<T> {
    this.#program ??= this.spawn();
    const sql = (sql: string) =>
      this.#program!.call("sql", { path: this.database, sql });
    await sql("BEGIN IMMEDIATE");
    try {
      return await work();
    } finally {
      await sql("COMMIT");
    }
  }
}

interface Things {
  readonly bus: MessageBus;
  readonly lock: Lock;
  /** Whether another session sees none of the things as taken. */
  readonly isFree: () => Promise<boolean>;
}

/** Opens a bus that holds a lock, a task and a durable name. */
async function holding(home: Home): Promise<Things> {
  const bus = await home.open(HASTY);
  const other = await home.open({ session: "bob" });
  const path = `${home.root}/a`;
  const lock = await bus.locks.acquire(path, EXCLUSIVE);
  await bus.tasks.post({ id: "T", title: "t" });
  await bus.tasks.claim("T");
  await bus.subscribe("a", { durable: "d" }).ready;
  const isFree = async () => {
    const [holds, task, sessions] = await Promise.all([
      other.locks.holders(path),
      other.tasks.get("T"),
      other.sessions.list(),
    ]);
    return holds.length === 0 && task?.status === "open" &&
      sessions.every(({ id }) => id !== "ann") && await isUnread(home);
  };
  return { bus, lock, isFree };
}

/** Returns whether another process can read under the durable name. */
async function isUnread(home: Home): Promise<boolean> {
  const peer = await home.start();
  try {
    await peer.call("subscribe", { name: "s", channels: "a", durable: "d" });
    return true;
  } catch (error) {
    if ((error as { type?: string }).type !== "DurableNameInUseError") {
      throw error;
    }
    return false;
  } finally {
    await peer.end();
  }
}

Deno.test("closing a subscription rejects on a busy database and frees its durable name later", async () => {
  await using home = new BusyHome();
  const bus = await home.open(HASTY);
  const reader = bus.subscribe("a", { durable: "d" });
  await reader.ready;
  await home.whileBusy(() => assert.rejects(reader.close(), BusyError));
  await until("the name to be free", () => isUnread(home));
  await reader.close();
});

Deno.test("closing a subscription waits for acknowledgements that are under way", async () => {
  await using home = new BusyHome();
  const bus = await home.open();
  const sent = await bus.publishMany(
    numbers(0, 21).map((payload) => ({ channel: "a", payload })),
  );
  for (const [i] of numbers(0, 20).entries()) {
    const reader = bus.subscribe("a", { durable: "d", from: "start" });
    const [message] = await take(reader, 1);
    assert.equal(message.id, sent[i].id);
    const ended = await home.whileBusy(() => {
      const ended = Promise.all([reader.ack(message), reader.close()]);
      ended.catch(() => {});
      return Promise.resolve({ ended });
    });
    await ended.ended;
  }
});

Deno.test("a waiter that cannot leave its queue leaves it later", async () => {
  await using home = new BusyHome();
  const ann = await home.open(HASTY);
  const bob = await home.open({ session: "bob" });
  const path = `${home.root}/a`;
  const lock = await bob.locks.acquire(path, EXCLUSIVE);
  const stop = new AbortController();
  const waits = Promise.withResolvers<void>();
  const acquiring = ann.locks.acquire(path, {
    ...EXCLUSIVE,
    waitMs: 60_000,
    onWait: () => waits.resolve(),
    signal: stop.signal,
  });
  acquiring.catch(() => {});
  await waits.promise;
  await home.whileBusy(async () => {
    stop.abort();
    await assert.rejects(acquiring, BusyError);
  });
  await until(
    "the queue to be empty",
    async () => (await bob.locks.waiters(path)).length === 0,
  );
  await lock.release();
  assert.deepEqual(await bob.locks.holders(path), []);
});

Deno.test("acquire() first removes waiters that its session has given up", async () => {
  await using home = new BusyHome();
  const ann = await home.open(HASTY);
  const bob = await home.open({ session: "bob" });
  const path = `${home.root}/a`;
  await bob.locks.acquire(path, EXCLUSIVE);
  for (const _ of numbers(0, 5)) {
    const stop = new AbortController();
    const waits = Promise.withResolvers<void>();
    const acquiring = ann.locks.acquire(path, {
      ...EXCLUSIVE,
      waitMs: 60_000,
      onWait: () => waits.resolve(),
      signal: stop.signal,
    });
    acquiring.catch(() => {});
    await waits.promise;
    await home.whileBusy(async () => {
      stop.abort();
      await assert.rejects(acquiring, BusyError);
    });
    await using _lock = await ann.locks.acquire(`${home.root}/b`);
    assert.deepEqual(await bob.locks.waiters(path), []);
  }
});

Deno.test("close() tries again after it met a busy database", async () => {
  await using home = new BusyHome();
  const { bus, isFree } = await holding(home);
  await home.whileBusy(async () => {
    await assert.rejects(bus.close(), BusyError);
    await assert.rejects(bus.close(), BusyError);
  });
  await bus.close();
  assert.equal(await isFree(), true);
});

Deno.test("close() that met a busy database frees everything without another call", async () => {
  await using home = new BusyHome();
  const { bus, isFree } = await holding(home);
  await home.whileBusy(() => assert.rejects(bus.close(), BusyError));
  await until("everything to be free", isFree);
  await bus.close();
});

Deno.test("a lock whose release met a busy database is released later, once", async () => {
  await using home = new BusyHome();
  const ann = await home.open(HASTY);
  const bob = await home.open({ session: "bob" });
  const path = `${home.root}/a`;
  const outer = await ann.locks.acquire(path, EXCLUSIVE);
  const inner = await ann.locks.acquire(path, EXCLUSIVE);
  await home.whileBusy(() => assert.rejects(inner.release(), BusyError));
  const count = async () => (await bob.locks.holders(path))[0]?.count ?? 0;
  await until("one release", async () => await count() === 1);
  await inner.release();
  assert.equal(await count(), 1);
  await home.whileBusy(() => assert.rejects(outer.release(), BusyError));
  await until("both releases", async () => await count() === 0);
  await outer.release();
});

Deno.test("a task whose release met a busy database is open later", async () => {
  await using home = new BusyHome();
  const ann = await home.open(HASTY);
  await ann.tasks.post({ id: "T", title: "t" });
  const claim = await ann.tasks.claim("T");
  await home.whileBusy(() =>
    assert.rejects(ann.tasks.release(claim), BusyError)
  );
  await until(
    "the task to be open",
    async () => (await ann.tasks.get("T"))?.status === "open",
  );
  assert.equal((await ann.tasks.release(claim)).status, "open");
});

Deno.test("a session whose end met a busy database ends later, and its registration comes after that", async () => {
  await using home = new BusyHome();
  const ann = await home.open(HASTY);
  const bob = await home.open({ session: "bob" });
  const isListed = async () =>
    (await bob.sessions.list()).some(({ id }) => id === "ann");
  await ann.sessions.register();
  await home.whileBusy(() => assert.rejects(ann.sessions.end(), BusyError));
  await until("the end", async () => !await isListed());
  await ann.sessions.register();
  await home.whileBusy(() => assert.rejects(ann.sessions.end(), BusyError));
  await ann.sessions.register();
  // The end would be repeated within that time.
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(await isListed(), true);
});

Deno.test("close() ends a session whose registration it overtakes", async () => {
  await using home = new BusyHome();
  const bob = await home.open({ session: "bob" });
  const ann = await home.open(HASTY);
  const registered = ann.sessions.register();
  await within("the end", ann.close());
  await registered;
  assert.deepEqual(await bob.sessions.list(), []);
});
