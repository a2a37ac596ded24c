import assert from "node:assert/strict";
import { BusyError, StoreError } from "../mod.ts";
import { Connection } from "../lib/sqlite/connection.ts";
import { locateBus } from "../lib/sqlite/location.ts";
import { SCHEMA, type Schema } from "../lib/sqlite/schema.ts";
import { Home, numbers, take } from "./fixture.ts";

/** Returns the next schema version, with the statements of its migration. */
function nextSchema(
  compatibleFrom: number,
  ...statements: readonly string[]
): Schema {
  return {
    version: SCHEMA.version + 1,
    compatibleFrom,
    migrations: [...SCHEMA.migrations, statements],
  };
}

/** Opens a bus as a program with another schema does. */
function openWith(home: Home, schema: Schema): Connection {
  return Connection.open(locateBus(home.path), {
    busyTimeoutMs: 5_000,
    schema,
  });
}

const MOODS = [
  "ALTER TABLE session_registry ADD COLUMN mood TEXT",
  "CREATE TABLE moods (mood TEXT PRIMARY KEY)",
  "INSERT INTO moods VALUES ('calm')",
];

function versionsOf(connection: Connection): unknown {
  const { version, compatible_from } = connection.sql(
    "SELECT version, compatible_from FROM _schema_version",
  ).get()!;
  return [version, compatible_from];
}

Deno.test("sessions go on while another program migrates their file", async () => {
  await using home = new Home();
  const bus = await home.open();
  const peer = await home.start();
  const reader = bus.subscribe("a", { durable: "d" });
  await reader.ready;
  await peer.call("flood", { channel: "a", first: 0, count: 5 });
  const next = nextSchema(SCHEMA.version, ...MOODS);
  const newer = openWith(home, next);
  assert.deepEqual(versionsOf(newer), [SCHEMA.version + 1, SCHEMA.version]);
  assert.equal(newer.sql("SELECT mood FROM moods").get()!.mood, "calm");
  // With statements that were prepared before, and with new sessions.
  await peer.call("flood", { channel: "a", first: 5, count: 5 });
  const late = await home.open();
  await late.publish("a", 10);
  const seen = await take(reader, 11);
  assert.deepEqual(seen.map(({ payload }) => payload), numbers(0, 11));
  await reader.ack(seen[10]);
  // A second open migrates nothing.
  openWith(home, next).close();
  newer.close();
});

Deno.test("an incompatible migration refuses older programs", async () => {
  await using home = new Home();
  const bus = await home.open();
  const { id } = await bus.publish("a", 1);
  const newer = openWith(home, nextSchema(SCHEMA.version + 1, ...MOODS));
  const refused = (error: unknown) =>
    error instanceof StoreError && error.fault === "newer";
  await assert.rejects(bus.publish("a", 2), refused);
  await assert.rejects(home.open(), refused);
  const row = newer.sql(
    "SELECT max(id) AS id FROM inter_session_messages WHERE channel = 'a'",
  ).get()!;
  assert.equal(String(row.id), id);
  newer.sql("UPDATE _schema_version SET compatible_from = 1").run();
  newer.close();
});

Deno.test("a migration throws BusyError while another program holds the write lock", async () => {
  await using home = new Home();
  await (await home.open()).publish("a", 1);
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  assert.throws(
    () =>
      Connection.open(locateBus(home.path), {
        busyTimeoutMs: 50,
        busyTotalMs: 50,
        schema: nextSchema(SCHEMA.version, ...MOODS),
      }),
    (error) => error instanceof BusyError && error.waitedMs >= 50,
  );
  other.exec("COMMIT");
});

Deno.test("a failed migration leaves the file unchanged", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("a", 1);
  const broken = nextSchema(2, ...MOODS, "INSERT INTO nowhere VALUES (1)");
  assert.throws(() => openWith(home, broken));
  await bus.publish("a", 2);
  const same = openWith(home, SCHEMA);
  assert.deepEqual(versionsOf(same), [SCHEMA.version, SCHEMA.compatibleFrom]);
  const { n } = same.sql(
    "SELECT count(*) AS n FROM sqlite_schema WHERE name = 'moods'",
  ).get()!;
  assert.equal(n, 0);
  same.close();
});

Deno.test("a new file is made by all migrations in one transaction", async () => {
  await using home = new Home();
  const next = nextSchema(SCHEMA.version, ...MOODS);
  const broken = nextSchema(2, "INSERT INTO nowhere VALUES (1)");
  assert.throws(() => openWith(home, broken));
  // The failure left an empty file, which the next opener completes.
  const newer = openWith(home, next);
  assert.deepEqual(versionsOf(newer), [SCHEMA.version + 1, SCHEMA.version]);
  const bus = await home.open();
  await bus.publish("a", 1);
  newer.close();
});
