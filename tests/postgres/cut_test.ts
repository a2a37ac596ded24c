import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { processStart } from "../../lib/process/host.ts";
import { numbers, payloadsOf, take, until, within } from "../fixture.ts";
import {
  BusyError,
  type Message,
  type MessageBus,
  type StoreError,
} from "../../mod.ts";
import { Database } from "./database.ts";
import { PostgresStore } from "../../lib/postgres/store.ts";
import { Proxy } from "./proxy.ts";
import { availability, Server, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

/** Returns the URL of a database through a proxy. */
function through(proxy: Proxy, database: Database): string {
  const url = new URL(database.url);
  url.port = String(proxy.port);
  return url.href;
}

/** Removes the check of the idempotency key from the functions. */
async function withoutKeys(sql: Sql): Promise<void> {
  await sql.unsafe(`ALTER TABLE message_bus.idempotency_keys
    DROP CONSTRAINT idempotency_keys_pkey`);
  const [{ text }] = await sql`
    SELECT pg_get_functiondef('message_bus.append_one'::regproc) AS text`;
  const bare = text.replace("IF again THEN", "IF false THEN");
  assert.notEqual(bare, text);
  await sql.unsafe(bare);
}

/** Publishes one message whose answer is cut; returns the stored messages. */
async function publishCut(
  database: Database,
  course: "cut-answer" | "cut-request",
  prepare: (sql: Sql) => Promise<void> = () => Promise.resolve(),
): Promise<unknown[]> {
  // No purge runs meanwhile on a connection of its own.
  await (await database.open()).purge();
  await using proxy = new Proxy(server.port);
  await using bus = await database.open({ url: through(proxy, database) });
  await prepare(database.foreign());
  await bus.publish("state", "before");
  // Answers come in order, so nothing is pending any more.
  await bus.poll(["state"]);
  proxy.course = course;
  const { id } = await bus.publish("state", "once");
  assert.equal(proxy.cuts, 1);
  const { messages } = await bus.poll(["state"]);
  assert.equal(messages.at(-1)?.id, id);
  return payloadsOf(messages);
}

Deno.test({
  name: "a publish is stored once if its answer is cut",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const stored = await publishCut(database, "cut-answer");
    assert.deepEqual(stored, ["before", "once"]);
  },
});

Deno.test({
  name: "a publish without its key is stored twice",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const stored = await publishCut(database, "cut-answer", withoutKeys);
    assert.deepEqual(stored, ["before", "once", "once"]);
  },
});

Deno.test({
  name: "a publish is stored once if it is cut before the server receives it",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const stored = await publishCut(database, "cut-request");
    assert.deepEqual(stored, ["before", "once"]);
  },
});

Deno.test({
  name: "a committed publish is acknowledged, even after its session's end",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open({ session: "ann" });
    await bus.sessions.register();
    const sql = database.foreign();
    const append = (key: string, again: boolean) =>
      sql`SELECT message_bus.append_one(1, 0, ${key}, ${again}, 'ann', 'state',
        '1', 300, NULL, NULL, NULL, true, ${Deno.pid}, ${processStart(
        Deno.pid,
      )!}) AS id`;
    const key = crypto.randomUUID();
    const [first] = await append(key, false);
    await bus.sessions.end();
    const [again] = await append(key, true);
    assert.equal(again.id, first.id);
    await assert.rejects(append(crypto.randomUUID(), true), { code: "MB003" });
    assert.equal((await bus.poll(["state"])).messages.length, 1);
  },
});

Deno.test({
  name: "shared records are changed once, wherever the connection is cut",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await using proxy = new Proxy(server.port);
    const bus = await database.open({ url: through(proxy, database) });
    const lock = await bus.locks.acquire("/tmp/a", { type: "exclusive" });
    // Each cut comes a step later in the transaction.
    for (const course of ["cut-request", "cut-answer"] as const) {
      for (const step of numbers(0, 6)) {
        const id = `${course}-${step}`;
        let answers = 0;
        const posting = bus.tasks.post({ id, title: "t" });
        const cutting = (async () => {
          while (answers++ < step) {
            await new Promise((resolve) => setTimeout(resolve, 0));
          }
          proxy.course = course;
        })();
        await Promise.all([posting, cutting]);
        proxy.course = "through";
      }
    }
    const tasks = await bus.tasks.list();
    assert.equal(tasks.length, 12);
    const { messages } = await bus.poll(["task_broadcast"]);
    assert.equal(messages.length, 12);
    // A hold that was renewed in time is still held.
    await lock.release();
    await bus.close();
  },
});

Deno.test({
  name: "busyTotalMs limits all operations on a silent server together",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await (await database.open()).close();
    await using proxy = new Proxy(server.port);
    const store = await PostgresStore.open({
      url: through(proxy, database),
      notify: "poll",
      busyTimeoutMs: 5_000,
      busyTotalMs: 3_000,
      now: Date.now,
      warn: assert.fail,
    });
    await store.maintain();
    proxy.course = "silence";
    const acts = [() => store.endCursor(), () => store.maintain()];
    let triedMs = 0;
    for (const act of [...acts, ...acts]) {
      const error: StoreError = await act().then(
        () => assert.fail("it was answered"),
        (error) => error,
      );
      assert.equal(error.fault, "unreachable", String(error));
      triedMs += Number(/tried for (\d+) ms/.exec(error.message)![1]);
    }
    // Four operations with deadlines of their own would take 12 s.
    assert.ok(triedMs < 8_000, `${triedMs} ms`);
    await store.close();
    // The client's timer for a reconnect runs for 0.1 s more.
    await new Promise((resolve) => setTimeout(resolve, 200));
  },
});

Deno.test({
  name: "an operation on a silent server fails at its deadline",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await using proxy = new Proxy(server.port);
    const bus = await database.open({
      url: through(proxy, database),
      busyTimeoutMs: 1_000,
    });
    await bus.publish("state", 1);
    proxy.course = "silence";
    for (
      const act of [
        () => bus.publish("state", 2),
        () => bus.poll(["state"]),
        () => bus.tasks.post({ title: "t" }),
        () => bus.subscribe("state").ready,
      ]
    ) {
      const error: StoreError = await within<unknown>("the end", act(), 6_000)
        .then(() => assert.fail("it was answered"), (error) => error);
      assert.equal(error.fault, "unreachable", String(error));
    }
    proxy.course = "through";
    assert.ok((await bus.publish("state", 3)).id);
    await bus.close();
  },
});

Deno.test({
  name: "an operation fails at its deadline if another program keeps the lock",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open({ busyTimeoutMs: 1_000 });
    await bus.publish("state", 1);
    const foreign = database.foreign();
    await foreign.unsafe("BEGIN; SELECT message_bus.lock_appending()").simple();
    await assert.rejects(bus.publish("state", 2), BusyError);
    await foreign.unsafe("ROLLBACK");
    await bus.publish("state", 3);
    const { messages } = await bus.poll(["state"]);
    assert.deepEqual(payloadsOf(messages), [1, 3]);
  },
});

Deno.test({
  name: "a subscription continues at its cursor when its connections are cut",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await using proxy = new Proxy(server.port);
    const direct = await database.open();
    // By notification alone: no poll finds a missed message.
    const bus = await database.open({
      url: through(proxy, database),
      pollIntervalMs: 60_000,
    });
    const messages = bus.subscribe("state");
    await messages.ready;
    await direct.publish("state", 1);
    assert.equal((await messages.next()).value?.payload, 1);
    proxy.cutAll();
    await until("it polls", () => messages.mode === "poll");
    await direct.publish("state", 2);
    const [two] = await within("the second", take(messages, 1));
    assert.equal(two.payload, 2);
    await until("it is notified again", () => messages.mode === "push");
    await direct.publish("state", 3);
    const [three] = await within("the third", take(messages, 1));
    assert.equal(three.payload, 3);
    await bus.close();
  },
});

/** Publishes numbers until it is stopped; returns the acknowledged ones. */
async function flood(bus: MessageBus, stop: AbortSignal): Promise<number[]> {
  const acknowledged: number[] = [];
  for (let n = 0; !stop.aborted; n++) {
    try {
      await bus.publish(bus.session, n, { ttlSeconds: 3600 });
      acknowledged.push(n);
    } catch (error) {
      assert.equal((error as StoreError).fault, "unreachable", String(error));
    }
  }
  return acknowledged;
}

for (const how of ["SIGKILL", "fast"] as const) {
  Deno.test({
    name:
      `a restart of the server by ${how} under load loses no acknowledged ` +
      `message and duplicates none`,
    ignore,
    async fn() {
      await using own = await Server.start({ settings: { fsync: "on" } });
      await using database = await Database.create(own);
      const options = { busyTimeoutMs: 20_000, publishesPerSecondMax: 1e6 };
      const buses = await Promise.all(
        ["a", "b", "c"].map((session) =>
          database.open({ ...options, session })
        ),
      );
      const reader = await database.open({
        ...options,
        pollIntervalMs: 60_000,
      });
      const messages = reader.subscribe(["a", "b", "c"]);
      await messages.ready;
      const lock = await reader.locks.acquire("/tmp/a", { type: "exclusive" });
      const stop = new AbortController();
      const flooding = buses.map((bus) => flood(bus, stop.signal));
      await take(messages, 50);
      if (how === "SIGKILL") await own.kill();
      else await own.stop("fast");
      await own.boot();
      // The subscription continues by itself.
      await within("the messages after the restart", take(messages, 200));
      stop.abort();
      const acknowledged = await Promise.all(flooding);
      for (const [i, bus] of buses.entries()) {
        const { messages } = await reader.poll([bus.session], {
          limit: 10_000,
        });
        const stored = payloadsOf(messages) as number[];
        assert.equal(new Set(stored).size, stored.length);
        const missing = acknowledged[i].filter((n) => !stored.includes(n));
        assert.deepEqual(missing, []);
      }
      // Its lease is long, and no other session took it meanwhile.
      await lock.release();
    },
  });
}

Deno.test({
  name: "a stopped reader delays no other session, and misses no message",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open({ publishesPerSecondMax: 1e6 });
    const peer = await database.start();
    await peer.call("subscribe", { name: "s", channels: ["state"] });
    await bus.publish("state", "first");
    await peer.wait("s", 1);
    peer.signal("SIGSTOP");
    const payload = "x".repeat(10_000);
    for (const n of numbers(0, 300)) await bus.publish("state", { n, payload });
    const second = await database.open();
    const messages = second.subscribe("state");
    await messages.ready;
    await bus.publish("state", "last");
    const [last] = await within("the last", take(messages, 1));
    assert.equal(last.payload, "last");
    peer.signal("SIGCONT");
    const got = await peer.wait<Message>("s", 302);
    assert.deepEqual(
      got.slice(1, 301).map(({ payload }) => (payload as { n: number }).n),
      numbers(0, 300),
    );
  },
});
