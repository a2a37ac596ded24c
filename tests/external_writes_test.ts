import assert from "node:assert/strict";
import type { Message, MessageBus, Subscription } from "../mod.ts";
import {
  hasProgram,
  Home,
  run,
  shell,
  take,
  until,
  within,
} from "./fixture.ts";

// So long that no message of a test arrives by polling.
const NO_POLL = { pollIntervalMs: 60_000 };

const PYTHON = `
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=5, isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint=0")
connection.execute(
    "INSERT INTO inter_session_messages(sender_id, channel, payload) VALUES (?, ?, ?)",
    ("python", "state", '{"from": "python"}'))
connection.close()
`;

const PLAIN = `INSERT INTO inter_session_messages(sender_id, channel, payload)
  VALUES ('shell', 'state', '{"from":"shell"}')`;

/** Returns a reader in the process that holds the leader lease. */
async function pushedReader(
  home: Home,
  bus: MessageBus,
): Promise<Subscription> {
  const reader = bus.subscribe("state");
  await reader.ready;
  assert.equal(reader.mode, "push");
  const leases = home.foreign().prepare("SELECT count(*) AS n FROM duties");
  await until("the leader lease", () => leases.get()!.n === 1);
  return reader;
}

function assertWhole(message: Message, from: string): void {
  assert.deepEqual(message.payload, { from });
  assert.equal(message.sender, from);
  const age = Date.now() - Date.parse(message.createdAt);
  assert.ok(age >= -1_000 && age < 60_000, message.createdAt);
  assert.equal(
    Date.parse(message.expiresAt) - Date.parse(message.createdAt),
    300_000,
  );
}

for (
  const [program, insert] of [
    ["sqlite3", (path: string) => shell(path, PLAIN)],
    ["python3", (path: string) => run("python3", ["-c", PYTHON, path])],
  ] as const
) {
  const missing = !hasProgram(program);
  Deno.test({
    name: `a reader is pushed a row that ${program} inserts${
      missing ? ` (ignored: needs ${program})` : ""
    }`,
    ignore: missing,
    async fn() {
      await using home = new Home();
      const bus = await home.open(NO_POLL);
      const peer = await home.start(NO_POLL);
      const mine = await pushedReader(home, bus);
      await peer.call("subscribe", { name: "s", channels: null });
      const from = program === "sqlite3" ? "shell" : "python";
      for (let i = 1; i <= 5; i++) {
        await insert(home.database);
        assertWhole((await within("the row", take(mine, 1)))[0], from);
        assertWhole((await within("it", peer.wait<Message>("s", i)))[0], from);
      }
      const [session] = await bus.sessions.list();
      assert.equal(session.id, from);
      assert.equal(session.vendor, "unknown");
      assert.equal(session.pid, undefined);
    },
  });
}

Deno.test("a reader is pushed each external row right after the one before", async () => {
  await using home = new Home();
  const bus = await home.open(NO_POLL);
  const reader = await pushedReader(home, bus);
  const other = home.foreign();
  const insert = other.prepare(
    "INSERT INTO inter_session_messages(sender_id, channel, payload) VALUES ('x', 'state', ?)",
  );
  for (let round = 0; round < 300; round++) {
    insert.run(String(round));
    const [message] = await within(`row ${round}`, take(reader, 1));
    assert.equal(message.payload, round);
  }
  await until("the marks", () =>
    other.prepare(
      "SELECT count(*) AS n FROM inter_session_messages WHERE rung = 0",
    ).get()!.n === 0);
});

Deno.test("a reader is pushed external rows after thousands in one commit", async () => {
  await using home = new Home();
  const bus = await home.open(NO_POLL);
  const reader = await pushedReader(home, bus);
  const coming = take(reader, 1);
  // The reader has read and waits.
  await new Promise((resolve) => setTimeout(resolve, 0));
  home.foreign().exec(`WITH RECURSIVE n(i) AS
      (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
    INSERT INTO inter_session_messages(sender_id, channel, payload)
    SELECT 'x', iif(i = 2500, 'state', 'other'), i FROM n`);
  const [message] = await within("the last", coming);
  assert.equal(message.payload, 2500);
});

Deno.test("an external row gets the project of its sender", async () => {
  await using home = new Home();
  const bus = await home.open({ project: "/mine", session: "me" });
  const other = await home.open({ project: "/other" });
  await bus.sessions.register();
  home.foreign().exec(`INSERT INTO inter_session_messages
    (sender_id, channel, payload) VALUES ('me', 'a', '1'), ('x', 'a', '2')`);
  const [one, two] = (await bus.poll("a")).messages;
  assert.equal(one.project, "/mine");
  assert.equal(two.project, undefined);
  const { messages } = await other.poll("a");
  assert.deepEqual(messages.map(({ payload }) => payload), [2]);
});

Deno.test("an external row keeps its own TTL and creation time", async () => {
  await using home = new Home();
  const bus = await home.open();
  const createdAt = new Date(Date.now() - 10_000).toISOString();
  home.foreign().exec(`INSERT INTO inter_session_messages
    (sender_id, channel, payload, created_at, ttl_seconds) VALUES
    ('x', 'a', '1', '${createdAt}', 60),
    ('x', 'a', '2', '${createdAt}', 1.5),
    ('x', 'a', '3', '${createdAt}', '20'),
    ('x', 'a', '4', '${createdAt.replace("T", " ").replace("Z", "")}', 60),
    ('x', 'a', '5', '${createdAt.replace("Z", "+00:00")}', 60)`);
  const { messages } = await bus.poll("a");
  // The second row has expired before its insert.
  assert.deepEqual(messages.map(({ payload }) => payload), [1, 3, 4, 5]);
  for (const { payload, expiresAt, ...message } of messages) {
    const lag = Date.parse(message.createdAt) - Date.parse(createdAt);
    assert.ok(Math.abs(lag) <= 1, message.createdAt);
    assert.equal(
      Date.parse(expiresAt) - Date.parse(message.createdAt),
      payload === 3 ? 20_000 : 60_000,
    );
  }
});

Deno.test({
  name: `an older SQLite reads and writes the file${
    hasProgram("sqlite3") ? "" : " (ignored: needs sqlite3)"
  }`,
  ignore: !hasProgram("sqlite3"),
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    await bus.publish("a", { n: 1 });
    const sql = (text: string) => shell(home.database, text);
    // Alone, the shell makes and deletes the WAL. Beside a bus, it shares it.
    for (const alone of [false, true]) {
      if (alone) await bus.close();
      await sql(PLAIN);
      assert.match(
        await sql("SELECT payload FROM inter_session_messages"),
        /\{"n":1\}/,
      );
      assert.equal((await sql("PRAGMA integrity_check")).trim(), "ok");
      assert.equal((await sql("PRAGMA journal_mode")).trim(), "wal");
    }
    const again = await home.open();
    assert.equal((await again.poll("state")).messages.length, 2);
    // The shell's dump is a complete database, too.
    const copy = `${home.root}/copy.db`;
    const dump = await sql(".dump");
    await run("sqlite3", [copy], dump);
    assert.equal(
      (await run("sqlite3", [copy, "PRAGMA integrity_check"])).trim(),
      "ok",
    );
  },
});
