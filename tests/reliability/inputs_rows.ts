/**
 * Rows of other programs: random values in each column, at the limits of
 * SQLite, JavaScript and the schema.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { getMessagingDbPath, type MessageBus, openBus } from "../../mod.ts";
import { awkwardText, type Target, target } from "./inputs.ts";
import { assertRefusal } from "./inputs_library.ts";

// The tables that other programs may write to.
const TABLES = [
  "inter_session_messages",
  "session_registry",
  "file_locks",
] as const;

const NUMBERS = [
  "0",
  "-1",
  "1",
  "1.5",
  "-1e300",
  "9e999",
  "9007199254740991",
  "9007199254740993",
  "9223372036854775807",
  "-9223372036854775808",
  "4294967296",
  "1700000000000",
];

/** A value, as an SQL expression. */
const sqlValue: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("NULL", "''", "zeroblob(70000)", ...NUMBERS),
  fc.constantFrom(
    "datetime('now')",
    "'active'",
    "'terminated'",
    "'exclusive'",
    "'advisory'",
    "'glob'",
    "'a'",
    "'fuzz'",
    "'[1,\"a\",null]'",
    "replace(hex(zeroblob(500)), '0', '[')",
  ),
  awkwardText.map((text) => hexOf(new TextEncoder().encode(text))),
  awkwardText.map((text) =>
    `CAST(${hexOf(new TextEncoder().encode(text))} AS TEXT)`
  ),
  // Invalid UTF-8.
  fc.uint8Array({ maxLength: 12 }).map((bytes) =>
    `CAST(${hexOf(bytes)} AS TEXT)`
  ),
  fc.uint8Array({ maxLength: 12 }).map(hexOf),
  fc.json().map((text) =>
    `CAST(${hexOf(new TextEncoder().encode(text))} AS TEXT)`
  ),
);

function hexOf(bytes: Uint8Array): string {
  return `x'${bytes.toHex()}'`;
}

interface Change {
  readonly table: number;
  readonly isUpdate: boolean;
  readonly columns: readonly number[];
  readonly values: readonly string[];
}

const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.record({
    table: fc.nat({ max: TABLES.length - 1 }),
    isUpdate: fc.boolean(),
    columns: fc.uniqueArray(fc.nat({ max: 17 }), {
      minLength: 1,
      maxLength: 6,
    }),
    values: fc.array(sqlValue, { minLength: 6, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 5 },
);

/** Required columns of each table, so that the schema rejects few rows. */
const PLAIN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  inter_session_messages: {
    sender_id: "'x'",
    channel: "'a'",
    payload: "'1'",
  },
  session_registry: {
    session_id: "hex(randomblob(4))",
    llm_vendor: "'v'",
    heartbeat_at: "datetime('now')",
  },
  file_locks: { file_path: "'/a'", session_id: "'x'" },
};

/**
 * Calls everything that reads rows of other programs. Returns the new cursor.
 */
async function readAll(bus: MessageBus, after: string): Promise<string> {
  let cursor = after;
  for (;;) {
    const page = await bus.poll(null, { after: cursor, allProjects: true });
    JSON.stringify(page);
    cursor = page.cursor;
    if (page.messages.length < 100) break;
  }
  JSON.stringify(
    await bus.sessions.list({ allProjects: true, ended: true }),
  );
  JSON.stringify(await bus.locks.list({ allProjects: true }));
  JSON.stringify(await bus.tasks.list({ allProjects: true }));
  JSON.stringify(await bus.inbox().pending());
  JSON.stringify(await bus.stats());
  return cursor;
}

/** Returns the ids that a reader of all channels must get after a cursor. */
function owed(other: DatabaseSync, after: string): string[] {
  return other.prepare(
    `SELECT CAST(id AS TEXT) AS id FROM inter_session_messages
     WHERE id > CAST(? AS INTEGER) AND expires_at > ? AND recipient_id IS NULL
     ORDER BY id`,
  ).all(after, Date.now() + 5_000).map(({ id }) => String(id));
}

/** Makes the target of rows of other programs. */
export async function rowsOfOthers(folder: string): Promise<Target> {
  const home = `${folder}/bus`;
  const bus = await openBus({
    home,
    project: null,
    session: "fuzz",
    channelMessagesMax: 100_000,
    warn: () => {},
  });
  await bus.publish("a", "first");
  const other = new DatabaseSync(getMessagingDbPath(home), {
    enableForeignKeyConstraints: false,
    timeout: 5_000,
  });
  const columnsOf = TABLES.map((table) =>
    other.prepare(`SELECT name FROM pragma_table_info('${table}')`).all()
      .map(({ name }) => String(name))
  );
  let cursor = "0";
  let cases = 0;

  const perform = ({ table, isUpdate, columns, values }: Change) => {
    const name = TABLES[table];
    const set: Record<string, string> = isUpdate ? {} : { ...PLAIN[name] };
    columns.forEach((column, i) => {
      const names = columnsOf[table];
      set[names[column % names.length]] = values[i];
    });
    const names = Object.keys(set);
    const sql = isUpdate
      ? `UPDATE ${name} SET ${
        names.map((column) => `${column} = ${set[column]}`).join(", ")
      } WHERE rowid = (SELECT rowid FROM ${name} WHERE session_id_of <> 'fuzz'
          ORDER BY random() LIMIT 1)`
      : `INSERT INTO ${name}(${names.join(", ")})
         VALUES (${names.map((column) => set[column]).join(", ")})`;
    const session = name === "inter_session_messages"
      ? "sender_id"
      : "session_id";
    try {
      other.exec(sql.replace("session_id_of", session));
    } catch (error) {
      // The schema may reject the row.
      assert.match(
        (error as Error).message,
        /constraint|RAISE|bus|immutable|exclusively|datatype mismatch|too big/i,
      );
    }
  };

  return target("rows of others", 20, changes, async (all) => {
    const before = cursor;
    for (const change of all) perform(change);
    const ids = owed(other, before);
    const page = await bus.poll(null, {
      after: before,
      allProjects: true,
      limit: 1_000,
    });
    const read = new Set(page.messages.map(({ id }) => id));
    assert.deepEqual(ids.filter((id) => !read.has(id)), [], "lost");
    cursor = await readAll(bus, before);
    try {
      const lock = await bus.locks.acquire("/a", { type: "advisory" });
      await lock.release();
      await bus.sessions.heartbeat();
    } catch (error) {
      assertRefusal(error);
    }
    if (++cases % 500 === 0) {
      await bus.purge();
      const { integrity_check } = other.prepare("PRAGMA integrity_check")
        .get()!;
      assert.equal(integrity_check, "ok");
    }
    if (cases % 25 === 0) {
      // Earlier rows would only slow down later cases.
      for (const table of ["file_locks", "inter_session_messages"]) {
        other.exec(`DELETE FROM ${table}`);
      }
      other.exec("DELETE FROM session_registry WHERE session_id <> 'fuzz'");
    }
  }, async () => {
    other.close();
    await bus.close();
  });
}
