import assert from "node:assert/strict";
import type { Message, MessageBus, Subscription } from "../mod.ts";
import { hasProgram, Home, run, take, until, within } from "./fixture.ts";

// So far apart that what comes in a test has not come by polling.
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

/** What the shell says to SQL, which waits for other writers as we do. */
function shell(path: string, sql: string): Promise<string> {
  return run("sqlite3", ["-cmd", ".timeout 5000", path, sql]);
}

const PLAIN = `INSERT INTO inter_session_messages(sender_id, channel, payload)
  VALUES ('shell', 'state', '{"from":"shell"}')`;

/** A reader who is pushed foreign rows, as its process has the duty for it. */
async function pushedReader(
  home: Home,
  bus: MessageBus,
): Promise<Subscription> {
  const reader = bus.subscribe("state");
  await reader.ready;
  assert.equal(reader.mode, "push");
  const duties = home.foreign().prepare("SELECT count(*) AS n FROM duties");
  await until("the duty", () => duties.get()!.n === 1);
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
    name: `a row that ${program} inserts is pushed${
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

Deno.test("a foreign row is pushed after any commit before it", async () => {
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

Deno.test("many foreign rows at once are all pushed", async () => {
  await using home = new Home();
  const bus = await home.open(NO_POLL);
  const reader = await pushedReader(home, bus);
  home.foreign().exec(`WITH RECURSIVE n(i) AS
      (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
    INSERT INTO inter_session_messages(sender_id, channel, payload)
    SELECT 'x', iif(i = 2500, 'state', 'other'), i FROM n`);
  const [message] = await within("the last", take(reader, 1));
  assert.equal(message.payload, 2500);
});

Deno.test("a foreign row takes its sender's project", async () => {
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

Deno.test("a foreign row's own TTL and creation time are honoured", async () => {
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
  // The second expired before it came.
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

Deno.test("an unreadable date or TTL becomes now and the channel's default", async () => {
  await using home = new Home();
  const bus = await home.open();
  const dates = [
    "'yesterday'",
    "''",
    "NULL",
    "5",
    "1e300",
    "-1e300",
    "9223372036854775807",
    "x'ff00'",
    "'1960-01-01'",
    "'-4713-11-24 12:00:00'",
    "'9999-12-31T23:59:59Z'",
    "'12:00'",
    "'2026-13-45'",
  ];
  const ttls = [
    "'soon'",
    "NULL",
    "0",
    "-5",
    "9e999",
    "-9e999",
    "9223372036854775807",
    "2592001",
    "x'05'",
    "''",
  ];
  const other = home.foreign();
  const before = Date.now();
  for (const date of dates) {
    other.exec(`INSERT INTO inter_session_messages
      (sender_id, channel, payload, created_at) VALUES ('x', 'a', '1', ${date})`);
  }
  for (const ttl of ttls) {
    other.exec(`INSERT INTO inter_session_messages
      (sender_id, channel, payload, ttl_seconds) VALUES ('x', 'state', '1', ${ttl})`);
  }
  const { messages } = await bus.poll(["a", "state"], { limit: 100 });
  assert.equal(messages.length, dates.length + ttls.length);
  for (const { channel, createdAt, expiresAt } of messages) {
    assert.ok(Date.parse(createdAt) >= before - 1, createdAt);
    assert.ok(Date.parse(createdAt) <= Date.now(), createdAt);
    assert.equal(
      Date.parse(expiresAt) - Date.parse(createdAt),
      channel === "a" ? 300_000 : 60_000,
    );
  }
});

/** What the schema refuses, and what it takes without harm. */
const HOSTILE: Record<"refused" | "harmless", readonly string[]> = {
  refused: [
    ...[
      "9223372036854775807",
      "9007199254740993",
      "-1",
      "-9223372036854775808",
      "0",
      "1000",
      "1",
      "'abc'",
      "1.5",
    ].map((id) =>
      `INSERT INTO inter_session_messages(id, sender_id, channel, payload)
       VALUES (${id}, 'x', 'a', '1')`
    ),
    `INSERT OR REPLACE INTO inter_session_messages(id, sender_id, channel, payload)
     VALUES (1, 'x', 'a', '1')`,
    "INSERT INTO inter_session_messages(channel, payload) VALUES ('a', '1')",
    "INSERT INTO inter_session_messages(sender_id, payload) VALUES ('x', '1')",
    "INSERT INTO inter_session_messages(sender_id, channel) VALUES ('x', 'a')",
    "INSERT INTO inter_session_messages(sender_id, channel, payload) VALUES ('', 'a', '1')",
    "INSERT INTO inter_session_messages(sender_id, channel, payload) VALUES ('x', '', '1')",
    "INSERT INTO inter_session_messages(sender_id, channel, payload) VALUES ('x', x'61', '1')",
    "INSERT INTO inter_session_messages(sender_id, channel, payload) VALUES (x'61', 'a', '1')",
    `INSERT INTO inter_session_messages(sender_id, channel, payload)
     VALUES ('x', 'a' || char(0) || 'b', '1')`,
    `INSERT INTO inter_session_messages(sender_id, channel, payload)
     VALUES ('x' || char(0), 'a', '1')`,
    `INSERT INTO inter_session_messages(sender_id, channel, payload)
     VALUES ('x', 'a', hex(zeroblob(1000000)))`,
    `INSERT INTO inter_session_messages(sender_id, channel, payload)
     VALUES ('x', 'a', char(0) || hex(zeroblob(1000000)))`,
    `INSERT INTO inter_session_messages(sender_id, channel, payload, expires_at)
     VALUES ('x', 'a', '1', 9223372036854775807)`,
    `INSERT INTO inter_session_messages(sender_id, channel, payload, reply_to)
     VALUES ('x', 'a', '1', 9223372036854775807)`,
    "UPDATE inter_session_messages SET id = 9223372036854775807 WHERE id = 1",
    "UPDATE inter_session_messages SET rowid = 9223372036854775807 WHERE id = 1",
    "UPDATE inter_session_messages SET payload = '2' WHERE id = 1",
    "UPDATE inter_session_messages SET expires_at = NULL WHERE id = 1",
  ],
  harmless: [
    ...[
      "'not json'",
      "''",
      "'{\"a\":'",
      "'\"a' || char(0) || 'b\"'",
      "char(0)",
      "x'00ff'",
      "x''",
      "CAST(x'22ff22' AS TEXT)",
      "CAST(x'ff' AS TEXT)",
      "5",
      "9223372036854775807",
      "9e999",
      "hex(zeroblob(500000))",
      "replace(hex(zeroblob(50000)), '0', '[')",
    ].map((payload) =>
      `INSERT INTO inter_session_messages(sender_id, channel, payload)
       VALUES ('x', 'a', ${payload})`
    ),
    ...["5", "1.5", "CAST(x'61ff' AS TEXT)", "' '", "'*'"].flatMap((text) => [
      `INSERT INTO inter_session_messages(sender_id, channel, payload)
       VALUES (${text}, 'a', '1')`,
      `INSERT INTO inter_session_messages(sender_id, channel, payload)
       VALUES ('x', ${text}, '1')`,
    ]),
    `INSERT INTO inter_session_messages(sender_id, channel, payload, rung)
     VALUES ('x', 'a', '1', 1)`,
    `INSERT INTO inter_session_messages(sender_id, channel, payload, project_id)
     VALUES ('x', 'a', '1', x'00')`,
    `INSERT INTO inter_session_messages(sender_id, channel, payload)
     VALUES ('x', 'a', '1'), ('y', 'a', '2'), ('y', 'b', '3')`,
    `INSERT INTO session_registry(session_id, llm_vendor, pid, heartbeat_at)
     VALUES ('huge', 'v', 9223372036854775807, 'never')`,
    `INSERT INTO session_registry(session_id, llm_vendor, pid, heartbeat_at,
       registered_at, status, active_files, ended_at, host, process_start)
     VALUES ('odd', x'ff', 'pid', 9223372036854775807, x'00', 5, '{', 1e300, 1, 2)`,
    `INSERT INTO session_registry(session_id, llm_vendor, pid, heartbeat_at,
       active_files) VALUES ('minus', 'v', -1, '', '[1, "a", null]')`,
    "UPDATE session_registry SET pid = 9223372036854775807, heartbeat_at = 5",
    "INSERT INTO file_locks(file_path, session_id) VALUES ('/a', 'nobody')",
    "INSERT INTO file_locks(file_path, session_id) VALUES ('/a', 'nobody else')",
  ],
};

for (const program of ["node:sqlite", "sqlite3"]) {
  const missing = program === "sqlite3" && !hasProgram(program);
  Deno.test({
    name: `no row of ${program} harms anybody${
      missing ? " (ignored: needs sqlite3)" : ""
    }`,
    ignore: missing,
    async fn() {
      await using home = new Home();
      const bus = await home.open({ channelMessagesMax: 20 });
      await bus.publish("a", "first");
      const reader = bus.subscribe(null);
      const durable = bus.subscribe("a", { durable: "d" });
      await Promise.all([reader.ready, durable.ready]);
      const database = home.foreign();
      const perform = async (sql: string) => {
        if (program === "sqlite3") await shell(home.database, sql);
        else database.exec(sql);
      };
      for (const sql of HOSTILE.refused) {
        await assert.rejects(perform(sql), () => true, sql);
      }
      assert.equal(
        database.prepare("SELECT count(*) AS n FROM inter_session_messages")
          .get()!.n,
        2,
      );
      for (const sql of HOSTILE.harmless) {
        await perform(sql);
        await bus.poll(null, { limit: 1_000 });
      }
      // Readers go on, in order and with all of it, and so do publishers.
      await bus.publish("a", "last");
      const seen: Message[] = [];
      while (seen.at(-1)?.payload !== "last") {
        seen.push((await within("the next", reader.next())).value!);
      }
      const ids = seen.map(({ id }) => Number(id));
      assert.deepEqual(ids, [...ids].sort((a, b) => a - b));
      const rows = HOSTILE.harmless.filter((sql) =>
        sql.includes("inter_session_messages")
      );
      assert.equal(seen.length, rows.length + 2 + 1);
      assert.deepEqual(seen[0].payload, { raw: "not json" });
      assert.deepEqual(seen[3].payload, { raw: '"a\0b"' });
      JSON.stringify(seen);
      const listed = await bus.sessions.list({ allProjects: true });
      assert.ok(listed.some(({ id }) => id === "huge"));
      JSON.stringify(listed);
      await bus.stats();
      // Purging comes to its end, with every channel brought under its cap.
      await within("the purge", bus.purge());
      await within("the durable reader", take(durable, 5));
      const check = "PRAGMA integrity_check";
      assert.equal(database.prepare(check).get()!.integrity_check, "ok");
      if (program === "sqlite3") {
        assert.equal(
          (await shell(home.database, check)).trim(),
          "ok",
        );
      }
    },
  });
}

Deno.test("a foreign lock over somebody's exclusive one is refused", async () => {
  await using home = new Home();
  await home.open();
  const other = home.foreign();
  const insert = (session: string, type: string) =>
    other.exec(`INSERT INTO file_locks(file_path, session_id, lock_type)
      VALUES ('/a', '${session}', '${type}')`);
  insert("x", "advisory");
  insert("y", "exclusive");
  insert("y", "exclusive");
  assert.throws(() => insert("x", "exclusive"), /holds this path exclusively/);
  assert.throws(() => insert("z", "advisory"), /holds this path exclusively/);
});

Deno.test("a purge ends with channels that cannot be read back", async () => {
  await using home = new Home();
  const bus = await home.open({ channelMessagesMax: 3 });
  const insert = home.foreign().prepare(
    `INSERT INTO inter_session_messages(sender_id, channel, payload)
     VALUES ('x', CAST(? AS TEXT), '1')`,
  );
  // No UTF-8: what is read is not what was written.
  const odd = [[0x61, 0xff], [0xff], [0xc3], [0xf0, 0x9f]];
  for (const bytes of odd) {
    for (let i = 0; i < 5; i++) insert.run(new Uint8Array(bytes));
  }
  for (let i = 0; i < 5; i++) await bus.publish("z", i);
  await within("the purge", bus.purge());
  const kept = home.foreign().prepare(
    "SELECT count(*) AS n FROM inter_session_messages GROUP BY channel HAVING n > 3",
  );
  assert.deepEqual(kept.all(), []);
  const { messages } = await bus.poll("z");
  assert.deepEqual(messages.map(({ payload }) => payload), [2, 3, 4]);
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
    // Alone, it creates and deletes the log; with us, it shares it.
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
    // What the shell's dump says is a whole database, too.
    const copy = `${home.root}/copy.db`;
    const dump = await sql(".dump");
    await run("sqlite3", [copy], dump);
    assert.equal(
      (await run("sqlite3", [copy, "PRAGMA integrity_check"])).trim(),
      "ok",
    );
  },
});
