import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { numbers, within } from "../fixture.ts";
import { Database } from "./database.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

const EXCLUSIVE = { type: "exclusive" } as const;

/** Makes every change of a kind to a table fail. */
async function refuse(sql: Sql, change: string, table: string): Promise<void> {
  await sql.unsafe(`
    CREATE OR REPLACE FUNCTION message_bus.refuse() RETURNS trigger
      LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
    CREATE TRIGGER refuse BEFORE ${change} ON message_bus.${table}
      FOR EACH ROW EXECUTE FUNCTION message_bus.refuse()`);
}

async function allow(sql: Sql, table: string): Promise<void> {
  await sql.unsafe(`DROP TRIGGER refuse ON message_bus.${table}`);
}

Deno.test({
  name: "reaping is atomic",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open({ session: "here" });
    const doomed = await database.start({ session: "doomed" });
    await doomed.call("acquire", { name: "l", path: "/a", ...EXCLUSIVE });
    await doomed.call("post", { id: "T", title: "t" });
    await doomed.call("claim", { id: "T" });
    await doomed.kill();
    const sql = database.foreign();
    // The last step fails.
    await refuse(sql, "UPDATE", "tasks");
    await assert.rejects(() => bus.locks.list(), /not now/);
    const [before] = await sql`SELECT
      (SELECT status FROM message_bus.session_registry
        WHERE session_id = 'doomed') AS status,
      (SELECT count(*)::integer FROM message_bus.file_locks) AS locks,
      (SELECT count(*)::integer FROM message_bus.inter_session_messages
        WHERE channel = 'heartbeat') AS said`;
    assert.deepEqual({ ...before }, { status: "active", locks: 1, said: 1 });
    await allow(sql, "tasks");
    assert.deepEqual(await bus.locks.list(), []);
    assert.equal((await bus.tasks.get("T"))?.status, "open");
    const { messages } = await bus.poll("heartbeat");
    assert.deepEqual(
      messages.map(({ payload }) => (payload as { event: string }).event),
      ["came", "died"],
    );
  },
});

Deno.test({
  name: "release and grant are atomic",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const ann = await database.open({ session: "ann" });
    const bob = await database.open({ session: "bob" });
    const lock = await ann.locks.acquire("/a", EXCLUSIVE);
    const waits = Promise.withResolvers<void>();
    const got = bob.locks.acquire("/a", {
      ...EXCLUSIVE,
      waitMs: 60_000,
      onWait: () => waits.resolve(),
    });
    await waits.promise;
    const sql = database.foreign();
    await refuse(sql, "INSERT", "file_locks");
    await assert.rejects(() => lock.release(), /not now/);
    const [hold] = await ann.locks.list();
    assert.deepEqual([hold.session, hold.token], ["ann", lock.token]);
    await allow(sql, "file_locks");
    await lock.release();
    assert.ok((await within("the lock", got)).token > lock.token);
  },
});

Deno.test({
  name: "reads and heartbeats do not wait for the coordination lock",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open({ session: "me", busyTimeoutMs: 1_000 });
    const peer = await database.open({ session: "peer" });
    const lock = await bus.locks.acquire("/a", EXCLUSIVE);
    await bus.tasks.post({ id: "T", title: "t" });
    await peer.sessions.register();
    const { id } = await peer.publish("chat", "hello", { to: "me" });
    // Another transaction holds the coordination lock.
    const sql = database.foreign();
    await sql.unsafe("BEGIN; SELECT message_bus.lock_coordination()");
    await assert.rejects(() => lock.renew(), { name: "BusyError" });
    assert.equal((await bus.locks.list()).length, 1);
    assert.equal((await bus.tasks.list()).length, 1);
    assert.equal((await bus.sessions.list()).length, 2);
    assert.equal((await bus.locks.waiters("/a")).length, 0);
    await bus.sessions.heartbeat();
    await bus.sessions.update({ status: "idle" });
    await bus.inbox().ack(id);
    assert.equal((await peer.delivery(id))?.state, "acked");
    await bus.publish("state", "still here");
    await sql.unsafe("ROLLBACK");
    await lock.renew();
  },
});

Deno.test({
  name:
    "another program's row is a lock, and is rejected over an exclusive one",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open({ session: "me" });
    await bus.sessions.register();
    const sql = database.foreign();
    const insert = (at: Sql, path: string, session: string) =>
      at`INSERT INTO message_bus.file_locks(file_path, session_id, lock_type)
         VALUES (${path}, ${session}, 'exclusive')`;
    await insert(sql, "/a/b.ts", "python");
    assert.equal(await bus.locks.tryAcquire("/a/", EXCLUSIVE), undefined);
    const [hold] = await bus.locks.list();
    assert.deepEqual([hold.session, hold.vendor], ["python", "unknown"]);

    await bus.locks.acquire("/c.ts", EXCLUSIVE);
    await assert.rejects(
      insert(sql, "/c.ts", "python"),
      /another session holds this path exclusively/,
    );
    // Two that begin before either commits.
    const other = database.foreign();
    await sql.unsafe("BEGIN");
    await insert(sql, "/d.ts", "python");
    await other.unsafe("BEGIN");
    await insert(other, "/d.ts", "perl");
    await sql.unsafe("COMMIT");
    await assert.rejects(
      other.unsafe("COMMIT"),
      /another session holds this path exclusively/,
    );
    const holders = await bus.locks.holders("/d.ts");
    assert.deepEqual(holders.map(({ session }) => session), ["python"]);
  },
});

Deno.test({
  name: "a session holds at most a thousand locks, and all of them are found",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const ann = await database.open({ session: "ann" });
    const bob = await database.open({ session: "bob" });
    for (const i of numbers(0, 1_000)) {
      await ann.locks.acquire(`/project/src/${i}.ts`);
    }
    await assert.rejects(
      () => ann.locks.acquire("/project/one-more.ts"),
      { name: "LimitError" },
    );
    const refused = await bob.locks.tryAcquire("/project/**/77*.ts", EXCLUSIVE);
    assert.equal(refused, undefined);
    assert.equal((await bob.locks.holders("/project/src/*7.ts")).length, 100);
    await ann.close();
    assert.ok(await bob.locks.acquire("/project/**", EXCLUSIVE));
  },
});
