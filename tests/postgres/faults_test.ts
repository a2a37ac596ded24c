import assert from "node:assert/strict";
import { MessageBusError, openBus, type StoreError } from "../../mod.ts";
import { schemaState } from "../../lib/postgres/migration.ts";
import { SCHEMA_VERSION } from "../../lib/postgres/schema_version.ts";
import { parseUrl } from "../../lib/postgres/url.ts";
import { numbers } from "../fixture.ts";
import { Database } from "./database.ts";
import { availability, Server, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

const SECRET = "s3cret-word";

/** Returns the error of opening a URL; it must not contain the password. */
async function refusalOf(
  url: string,
  options: { readonly busyTimeoutMs?: number } = {},
): Promise<StoreError> {
  try {
    await using bus = await openBus({ url, ...options });
    await bus.stats();
  } catch (error) {
    assert.ok(error instanceof MessageBusError, String(error));
    const told = `${error.message} ${JSON.stringify(error)}`;
    assert.ok(!told.includes(SECRET), told);
    assert.match(error.message, /^Cannot .*: .*\. [A-Z].*\.$/s);
    return error as StoreError;
  }
  throw new Error("it was opened");
}

Deno.test({
  name: "opening fails with a remedy for a wrong password, database or port",
  ignore,
  async fn() {
    const password = await refusalOf(server.url({ password: SECRET }));
    assert.equal(password.fault, "permission");
    assert.match(password.message, /password/);

    const database = await refusalOf(server.url({ database: "nowhere" }));
    assert.equal(database.fault, "missing");
    assert.match(database.message, /createdb/);

    const port = await refusalOf(server.url({ port: 1, password: SECRET }));
    assert.equal(port.fault, "unreachable");
    assert.match(port.message, /Check that the server runs/);
  },
});

Deno.test("an invalid URL is rejected, and not quoted", async () => {
  for (
    const url of [
      `postgres://u:${SECRET}@host/db?sslmode=perhaps`,
      `postgres://u:${SECRET}@host/db?schema=Big`,
      `postgres://u:${SECRET}@host/db?password=${SECRET}`,
      `postgres://u:${SECRET}@host/db?sslrootcert=/not/there`,
      `postgres://u:${SECRET}@host:port/db`,
      `postgres://u:${SECRET}%@host/db`,
      `mysql://u:${SECRET}@host/db`,
    ]
  ) {
    const error = await refusalOf(url);
    assert.equal(error.name, "InvalidInputError");
    assert.equal(error.kind, "input");
  }
});

Deno.test("the location of a bus contains no secrets", () => {
  const shown = (url: string) => parseUrl(url).shown;
  assert.equal(
    shown(`postgres://u:${SECRET}@db.example:6432/bus?sslmode=require`),
    "postgres://db.example:6432/bus",
  );
  assert.equal(
    shown("postgres:///bus?host=/run/postgresql&schema=team"),
    "postgres:///run/postgresql/bus?schema=team",
  );
});

Deno.test("opening fails on a server that is too old", async () => {
  // Such a server cannot be installed here, so the query returns its answer.
  const old = () =>
    Promise.resolve([
      { version: "13.14", number: 130014, encoding: "UTF8", exists: false },
    ]);
  const address = parseUrl("postgres://localhost/bus");
  await assert.rejects(schemaState(old, address), {
    fault: "driver",
    message: /PostgreSQL 13\.14\. Update it to 14 or later/,
  });
});

Deno.test({
  name: "opening fails on a database that is not in UTF-8",
  ignore,
  async fn() {
    await server.psql(
      "postgres",
      "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    );
    const error = await refusalOf(server.url({ database: "latin" }));
    assert.equal(error.fault, "foreign");
    assert.match(error.message, /ENCODING 'UTF8'/);
  },
});

Deno.test({
  name: "opening and writing fail on an incompatible newer schema",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open();
    await bus.publish("state", 1);
    const foreign = database.foreign();
    await foreign`INSERT INTO message_bus._schema_version
      (version, compatible_from) VALUES (99, 99)`;
    await assert.rejects(bus.publish("state", 2), { fault: "newer" });
    await assert.rejects(bus.tasks.post({ title: "t" }), { fault: "newer" });
    const error = await refusalOf(database.url);
    assert.equal(error.fault, "newer");
    assert.match(error.message, /Update this program/);
    await foreign`DELETE FROM message_bus._schema_version WHERE version = 99`;
  },
});

Deno.test({
  name: "a compatible newer schema is used",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await database.open();
    await database.foreign()`INSERT INTO message_bus._schema_version
      (version, compatible_from) VALUES (99, 1)`;
    const bus = await database.open();
    assert.ok((await bus.publish("state", 1)).id);
  },
});

Deno.test({
  name:
    "a role that may not create schemas needs the ownership of the bus's, " +
    "and no other right",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const name = new URL(database.url).pathname.slice(1);
    await server.psql(name, `CREATE ROLE least LOGIN PASSWORD '${SECRET}'`);
    const url = server.url({ database: name, user: "least", password: SECRET });
    const error = await refusalOf(url);
    assert.equal(error.fault, "permission");
    assert.match(error.message, /CREATE SCHEMA message_bus AUTHORIZATION/);

    await server.psql(name, "CREATE SCHEMA message_bus AUTHORIZATION least");
    const bus = await database.open({ url, session: "a" });
    const peer = await database.open({ url, session: "b" });
    await peer.sessions.register();
    await bus.publish("chat", "hello", { to: "b" });
    await using lock = await bus.locks.acquire("/tmp/x", { type: "exclusive" });
    assert.ok(lock.token > 0);
    await bus.tasks.post({ id: "T", title: "t" });
    await bus.tasks.complete(await bus.tasks.claim("T"));
    const builds = bus.subscribe("build", { durable: "ci" });
    await builds.ready;
    await builds.close();
    await bus.purge();
    await bus.stats();
  },
});

Deno.test({
  name: "a role that may only use the tables can run all operations",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const name = new URL(database.url).pathname.slice(1);
    await database.open();
    await server.psql(
      name,
      `CREATE ROLE guest LOGIN PASSWORD '${SECRET}';
       GRANT USAGE ON SCHEMA message_bus TO guest;
       GRANT SELECT, INSERT, UPDATE, DELETE
         ON ALL TABLES IN SCHEMA message_bus TO guest;
       GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA message_bus TO guest`,
    );
    const url = server.url({ database: name, user: "guest", password: SECRET });
    const bus = await database.open({ url, session: "guest" });
    const messages = bus.subscribe("state", { durable: "d" });
    await messages.ready;
    await bus.publish("state", 1);
    const { value } = await messages.next();
    await messages.ack(value!);
    await messages.close();
    await bus.locks.acquire("/tmp/x", { type: "exclusive" });
    await bus.tasks.post({ id: "T", title: "t" });
    await bus.tasks.complete(await bus.tasks.claim("T"));
    await bus.purge();
  },
});

Deno.test({
  name: "concurrent openers create a new bus once",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const buses = await Promise.all(
      Array.from({ length: 8 }, () => database.open()),
    );
    await Promise.all(buses.map((bus) => bus.publish("state", 1)));
    const made = await database.foreign()`
      SELECT version FROM message_bus._schema_version ORDER BY version`;
    assert.deepEqual(
      made.map(({ version }) => version),
      numbers(1, SCHEMA_VERSION),
    );
  },
});

Deno.test({
  name: "a bus that is open for reading only rejects writes",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const error = await openBus({ url: database.url, readOnly: true })
      .catch((error) => error);
    assert.equal(error.fault, "missing");
    const writer = await database.open();
    await writer.publish("state", 1);
    const dead = await database.start({ session: "dead" });
    await dead.call("acquire", { name: "l", path: "/a", type: "exclusive" });
    await dead.kill();
    const reader = await database.open({ readOnly: true });
    assert.equal((await reader.poll(["state"])).messages.length, 1);
    // A list leaves out the dead, and does not reap them.
    assert.deepEqual(await reader.locks.list(), []);
    const sessions = await reader.sessions.list({ allProjects: true });
    assert.ok(sessions.every(({ id }) => id !== "dead"), "reaped");
    await assert.rejects(reader.publish("state", 2), { fault: "read-only" });
  },
});

Deno.test({
  name: "opening fails before login if the server does not support TLS",
  ignore,
  async fn() {
    const url = server.url({ query: "sslmode=require", password: SECRET });
    const error = await refusalOf(url, { busyTimeoutMs: 2_000 });
    assert.equal(error.fault, "unreachable");
    assert.match(error.message, /TLS/);
  },
});

Deno.test({
  name: "TLS is used as the URL demands, with the server's own authority",
  ignore,
  async fn() {
    await using safe = await Server.start({ tls: true });
    const ca = `sslrootcert=${safe.folder}/server.pem`;
    const url = (query: string, host = "localhost") =>
      safe.url({ query, host, password: undefined });
    for (
      const good of [
        url("sslmode=require"),
        url("sslmode=prefer"),
        url(`sslmode=verify-full&${ca}`),
        url(`sslmode=verify-ca&${ca}`, "127.0.0.1"),
      ]
    ) {
      await using bus = await openBus({ url: good, project: null });
      const messages = bus.subscribe("state");
      await messages.ready;
      await bus.publish("state", 1);
      assert.equal((await messages.next()).value?.payload, 1);
    }
    for (
      const bad of [
        url("sslmode=verify-full"),
        url(`sslmode=verify-full&${ca}`, "127.0.0.1"),
      ]
    ) {
      const error = await refusalOf(bad, { busyTimeoutMs: 2_000 });
      assert.equal(error.fault, "unreachable");
      assert.match(error.message, /TLS/);
    }
  },
});

Deno.test({
  name: "an operation that the server's statement_timeout cancels says so",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await (await database.open()).close();
    const name = new URL(database.url).pathname.slice(1);
    await server.psql(
      name,
      `ALTER DATABASE ${name} SET statement_timeout = '100ms'`,
    );
    const bus = await database.open({ session: "a", busyTimeoutMs: 10_000 });
    await using sql = await holdingCoordination(database);
    const error = await bus.locks.acquire("/tmp/x").catch((error) => error);
    assert.equal(error.name, "StoreError", error.message);
    assert.equal(error.fault, "server");
    assert.match(
      error.message,
      /canceled a statement \(.*timeout\)\. Raise statement_timeout for "bus"/,
    );
    await sql.release();
    await bus.locks.acquire("/tmp/x");
  },
});

Deno.test({
  name: "an error of the server that has no words of its own is the server's",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open();
    await database.foreign().unsafe(
      `CREATE FUNCTION message_bus.deny() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'not on Sundays' USING ERRCODE = 'XX000'; END $$;
       CREATE TRIGGER deny BEFORE INSERT ON message_bus.inter_session_messages
         FOR EACH ROW EXECUTE FUNCTION message_bus.deny()`,
    );
    await assert.rejects(bus.publish("state", 1), {
      name: "StoreError",
      fault: "server",
      message:
        /rejects a statement \(not on Sundays, SQLSTATE XX000\)\. Look at/,
    });
  },
});

/** Opens a transaction of another program that keeps the coordination lock. */
async function holdingCoordination(
  database: Database,
): Promise<AsyncDisposable & { release(): Promise<void> }> {
  const sql = database.foreign();
  await sql.unsafe("BEGIN; SELECT message_bus.lock_coordination()");
  const release = async () => void await sql.unsafe("ROLLBACK");
  return { release, [Symbol.asyncDispose]: release };
}
