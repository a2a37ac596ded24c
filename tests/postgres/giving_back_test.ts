/** Things are given back although the server was cut off meanwhile. */

import assert from "node:assert/strict";
import { LockHeldError, StoreError } from "../../mod.ts";
import { until } from "../fixture.ts";
import { Database } from "./database.ts";
import { availability, type Server, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

const EXCLUSIVE = { type: "exclusive" } as const;

/** Runs `work` while all connections are cut and new ones are refused. */
async function whileCut<T>(
  server: Server,
  database: Database,
  work: () => Promise<T>,
): Promise<T> {
  await using other = await Database.create(server);
  const sql = other.foreign();
  const name = new URL(database.url).pathname.slice(1);
  await sql.unsafe(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = ${name}`;
  try {
    return await work();
  } finally {
    await sql.unsafe(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
  }
}

Deno.test({
  name: "a waiter whose connection was cut blocks no session later",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const ann = await database.open({ session: "ann" });
    const bob = await database.open({ session: "bob", busyTimeoutMs: 1_000 });
    const lock = await ann.locks.acquire("/a", EXCLUSIVE);
    const stop = new AbortController();
    const waits = Promise.withResolvers<void>();
    const acquiring = bob.locks.acquire("/a", {
      ...EXCLUSIVE,
      waitMs: 60_000,
      onWait: () => waits.resolve(),
      signal: stop.signal,
    });
    acquiring.catch(() => {});
    await waits.promise;
    await whileCut(server, database, async () => {
      stop.abort();
      await assert.rejects(acquiring);
    });
    // A connection that was refused may be reported after the next call.
    await until("bob's lock", async () => {
      try {
        await bob.locks.acquire("/b", EXCLUSIVE);
        return true;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        return false;
      }
    });
    // Before bob's waiter is removed, this would be a deadlock.
    const wanting = ann.locks.acquire("/b", { ...EXCLUSIVE, waitMs: 100 });
    await assert.rejects(wanting, LockHeldError);
    await lock.release();
    assert.deepEqual(await ann.locks.holders("/a"), []);
  },
});

Deno.test({
  name: "close() whose connection was cut gives everything back later",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const ann = await database.open({ session: "ann" });
    const bob = await database.open({ session: "bob", busyTimeoutMs: 1_000 });
    await bob.locks.acquire("/a", EXCLUSIVE);
    await bob.tasks.post({ id: "T", title: "t" });
    await bob.tasks.claim("T");
    await bob.subscribe("a", { durable: "d" }).ready;
    await whileCut(server, database, () => assert.rejects(bob.close()));
    await until(
      "the lock to be free",
      async () => (await ann.locks.holders("/a")).length === 0,
    );
    assert.equal((await ann.tasks.get("T"))?.status, "open");
    await ann.subscribe("a", { durable: "d" }).ready;
    await bob.close();
  },
});
