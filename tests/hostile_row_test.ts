import assert from "node:assert/strict";
import type { Message } from "../mod.ts";
import { hasProgram, Home, shell, take, within } from "./fixture.ts";

Deno.test("an invalid date or TTL becomes now or the channel's default", async () => {
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

/** Statements that the schema refuses, and statements that it accepts without harm. */
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
    "UPDATE session_registry SET name = ''",
    "UPDATE session_registry SET name = 'a' || char(0)",
    "UPDATE session_registry SET name_chosen = 9223372036854775807",
    "UPDATE session_registry SET doing = hex(zeroblob(1000))",
    "UPDATE session_registry SET activity_at = 9223372036854775807",
    "UPDATE session_registry SET activity_at = 'now'",
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
    "UPDATE session_registry SET name = 'same', name_chosen = 1, doing = x'ff'",
    "UPDATE session_registry SET activity = 'asleep', activity_at = 5",
    "UPDATE session_registry SET activity = x'ff', activity_why = 7",
    "UPDATE session_registry SET activity = 'idle', activity_at = NULL",
    "INSERT INTO file_locks(file_path, session_id) VALUES ('/a', 'nobody')",
    "INSERT INTO file_locks(file_path, session_id) VALUES ('/a', 'nobody else')",
    ...["token", "expires_at", "holds", "waiter", "locked_at"].map((column) =>
      `INSERT INTO file_locks(file_path, session_id, ${column})
       VALUES ('/b', 'x', 9223372036854775807)`
    ),
  ],
};

for (const program of ["node:sqlite", "sqlite3"]) {
  const missing = program === "sqlite3" && !hasProgram(program);
  Deno.test({
    name: `readers and publishers go on after hostile rows of ${program}${
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
      // Readers get all messages in order, and publishers go on.
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
      JSON.stringify(await bus.locks.list({ allProjects: true }));
      await bus.stats();
      // The purge ends, with every channel under its cap.
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

Deno.test("an external lock over another session's exclusive lock is refused", async () => {
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

Deno.test("purge() ends with channel names that are not UTF-8", async () => {
  await using home = new Home();
  const bus = await home.open({ channelMessagesMax: 3 });
  const insert = home.foreign().prepare(
    `INSERT INTO inter_session_messages(sender_id, channel, payload)
     VALUES ('x', CAST(? AS TEXT), '1')`,
  );
  // Invalid UTF-8: the text that is read differs from the bytes that were written.
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
