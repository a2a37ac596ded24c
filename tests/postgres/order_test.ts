import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { numbers, payloadsOf, take, until, within } from "../fixture.ts";
import type { Json, MessageBus } from "../../mod.ts";
import { LONG } from "../reliability/seed.ts";
import { Database } from "./database.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

/** Appends like the library, in a transaction that the test may keep open. */
const APPEND = `SELECT message_bus.append_one(1, 0, gen_random_uuid(), false,
  'late', 'state', '"late"', 300, NULL, NULL, NULL)`;

/** Removes the append lock from the function that publishes. */
async function withoutAppendLock(sql: Sql): Promise<void> {
  const [{ text }] = await sql`
    SELECT pg_get_functiondef('message_bus.append_one'::regproc) AS text`;
  const bare = text.replace(/PERFORM pg_advisory_xact_lock\([^;]*;/, "");
  assert.notEqual(bare, text);
  await sql.unsafe(bare);
}

/** Makes foreign rows take their ids at the insert. */
async function withoutPlaceAtCommit(sql: Sql): Promise<void> {
  await sql.unsafe(`
    ALTER TABLE message_bus.inter_session_messages
      ALTER id SET DEFAULT nextval('message_bus.message_ids'),
      ALTER own SET DEFAULT true,
      ALTER expires_at SET DEFAULT 8640000000000000`);
}

/** Returns all messages of a reader that continues at its cursor. */
class Reader {
  readonly got: Json[] = [];
  readonly #bus: MessageBus;
  #cursor = "0";

  constructor(bus: MessageBus) {
    this.#bus = bus;
  }

  async readOn(): Promise<void> {
    const page = await this.#bus.poll(["state"], { after: this.#cursor });
    this.got.push(...payloadsOf(page.messages));
    this.#cursor = page.cursor;
  }
}

/** Publishes two messages, of which the first commits late. */
async function publishBesideLateCommit(
  database: Database,
  prepare: (sql: Sql) => Promise<void> = () => Promise.resolve(),
): Promise<Json[]> {
  const bus = await database.open();
  const reader = new Reader(bus);
  const late = database.foreign();
  await prepare(late);
  await late.unsafe("BEGIN");
  await late.unsafe(APPEND);
  let published = false;
  const publishing = bus.publish("state", "next").then(() => published = true);
  const watcher = database.foreign();
  await until("the next message waits, or is published", async () => {
    const [{ waiting }] = await watcher`
      SELECT count(*)::int AS waiting FROM pg_locks
      WHERE locktype = 'advisory' AND NOT granted`;
    return waiting > 0 || published;
  });
  await reader.readOn();
  await late.unsafe("COMMIT");
  await publishing;
  await reader.readOn();
  return reader.got;
}

Deno.test({
  name: "no reader skips a message that commits late",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const got = await publishBesideLateCommit(database);
    assert.deepEqual(got, ["late", "next"]);
  },
});

Deno.test({
  name: "a reader skips a late message without the append lock",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const got = await publishBesideLateCommit(database, withoutAppendLock);
    assert.deepEqual(got, ["next"]);
  },
});

/** Inserts a message of another program that commits much later. */
async function insertAndCommitLate(
  database: Database,
  prepare: (sql: Sql) => Promise<void> = () => Promise.resolve(),
): Promise<{ meanwhile: Json[]; atLast: Json[] }> {
  const bus = await database.open();
  const reader = new Reader(bus);
  const foreign = database.foreign();
  await prepare(foreign);
  await foreign.unsafe("BEGIN");
  await foreign`INSERT INTO message_bus.inter_session_messages
    (sender_id, channel, payload) VALUES ('psql', 'state', '"foreign"')`;
  for (const n of numbers(0, 3)) await bus.publish("state", n);
  await reader.readOn();
  const meanwhile = [...reader.got];
  await foreign.unsafe("COMMIT");
  await reader.readOn();
  return { meanwhile, atLast: reader.got };
}

Deno.test({
  name: "an open foreign transaction with a message delays no other message, " +
    "and its message comes at its commit",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const { meanwhile, atLast } = await insertAndCommitLate(database);
    assert.deepEqual(meanwhile, [0, 1, 2]);
    assert.deepEqual(atLast, [0, 1, 2, "foreign"]);
  },
});

Deno.test({
  name: "a reader skips a foreign message that takes its id at the insert",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const { atLast } = await insertAndCommitLate(
      database,
      withoutPlaceAtCommit,
    );
    assert.deepEqual(atLast, [0, 1, 2]);
  },
});

// In its short form it stays open for a hundred messages.
const OPEN_MS = LONG ? 120_000 : 0;
const MESSAGES_LEAST = 100;

Deno.test({
  name: "a long transaction of another user delays no delivery" +
    (LONG ? ", for two minutes" : ""),
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open({ publishesPerSecondMax: 1e9 });
    const messages = bus.subscribe("state");
    await messages.ready;
    const foreign = database.foreign();
    // It has a snapshot and a transaction id, as one that runs for hours.
    await foreign.unsafe("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await foreign`CREATE TABLE elsewhere AS SELECT * FROM pg_class`;
    await foreign`SELECT count(*) FROM message_bus.session_registry`;
    await foreign`INSERT INTO message_bus.inter_session_messages
      (sender_id, channel, payload) VALUES ('psql', 'state', '"foreign"')`;
    const beganAt = performance.now();
    let published = 0;
    while (
      published < MESSAGES_LEAST || performance.now() - beganAt < OPEN_MS
    ) {
      await bus.publish("state", published);
      const [message] = await within("the message", take(messages, 1));
      assert.equal(message.payload, published++);
    }
    await foreign.unsafe("COMMIT");
    const [last] = await within("the inserted message", take(messages, 1));
    assert.equal(last.payload, "foreign");
  },
});

Deno.test({
  name:
    "a foreign message gets its times at its commit, and the other columns " +
    "by default",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open();
    const foreign = database.foreign();
    await foreign`INSERT INTO message_bus.session_registry
      (session_id, llm_vendor, heartbeat_at, project_id)
      VALUES ('known', 'x', now(), 'p')`;
    await foreign.unsafe("BEGIN");
    await foreign`INSERT INTO message_bus.inter_session_messages
      (sender_id, channel, payload) VALUES ('known', 'state', '{"a":1}')`;
    const [{ at }] = await foreign`SELECT clock_timestamp() AS at`;
    await foreign.unsafe("COMMIT");
    const { messages: [message] } = await bus.poll(null, { allProjects: true });
    assert.equal(message.project, "p");
    assert.ok(Date.parse(message.createdAt) >= Math.floor(at.getTime()));
    assert.equal(
      Date.parse(message.expiresAt) - Date.parse(message.createdAt),
      300_000,
    );
  },
});

Deno.test({
  name: "rows that would harm readers are rejected or corrected",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open();
    const foreign = database.foreign();
    const insert = (columns: string, values: string) =>
      foreign.unsafe(`INSERT INTO message_bus.inter_session_messages
        (sender_id, channel, payload${columns}) VALUES ('f', 'c', 'x'${values})`);
    for (const id of ["0", "7", "9223372036854775807"]) {
      await assert.rejects(
        insert(", id", `, ${id}`),
        /leave the id column out/,
      );
    }
    for (const ttl of ["NULL", "-1", "'NaN'", "'Infinity'", "1e9"]) {
      await insert(", ttl_seconds", `, ${ttl}`);
    }
    for (const date of ["NULL", "'infinity'", "'1999-01-01'", "'2999-01-01'"]) {
      await insert(", created_at", `, ${date}`);
    }
    const { messages } = await bus.poll(["c"]);
    assert.equal(messages.length, 9);
    for (const { createdAt, expiresAt, payload } of messages) {
      assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), 300_000);
      assert.deepEqual(payload, { raw: "x" });
    }
    await assert.rejects(
      foreign`UPDATE message_bus.inter_session_messages SET payload = 'y'`,
      /immutable/,
    );
  },
});

Deno.test({
  name: "all readers see concurrent messages in the same order",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const peers = await Promise.all(
      numbers(0, 3).map(() => database.start({ publishesPerSecondMax: 1e6 })),
    );
    const bus = await database.open();
    const messages = bus.subscribe("flood");
    await messages.ready;
    const flooding = Promise.all(
      peers.map((peer) =>
        peer.call("flood", {
          channel: "flood",
          first: 0,
          count: 200,
          apart: true,
        })
      ),
    );
    const pushed = await within("the flood", take(messages, 600), 60_000);
    await flooding;
    const { messages: kept } = await bus.poll(["flood"], { limit: 1000 });
    assert.deepEqual(pushed.map(({ id }) => id), kept.map(({ id }) => id));
    assert.equal(new Set(pushed.map(({ id }) => id)).size, 600);
  },
});
