/**
 * The driver that the environment asks for returns the same values and errors as the
 * other one, where the store relies on them.
 */

import assert from "node:assert/strict";
import {
  type Database,
  loadLibrary,
  type OpenOptions,
  requestedDriver,
  type SqlValue,
} from "../../lib/sqlite/driver.ts";
import { fileUri } from "../../lib/sqlite/fast_open.ts";
import { faultOf, type SqliteFault } from "../../lib/sqlite/faults.ts";

const driver = requestedDriver();
// Loaded before the tests, because a native library is never unloaded and would count
// as a leak of the first test.
const library = await loadLibrary(driver);

/** A folder with one database. */
class Folder implements Disposable {
  readonly root: string = Deno.makeTempDirSync({ prefix: "mbus-driver-" });
  readonly path: string = `${this.root}/a b#é.db`;
  readonly #databases: Database[] = [];

  open(path: string = this.path, options?: Partial<OpenOptions>): Database {
    const database = library.open(path, { timeoutMs: 0, ...options });
    this.#databases.push(database);
    return database;
  }

  [Symbol.dispose](): void {
    for (const database of this.#databases) database.close();
    Deno.removeSync(this.root, { recursive: true });
  }
}

function test(name: string, run: (folder: Folder) => void): void {
  Deno.test(`driver (${driver}): ${name}`, () => {
    using folder = new Folder();
    run(folder);
  });
}

test("each way of reading returns the values that were bound", (folder) => {
  const database = folder.open();
  const bound: SqlValue[] = [
    null,
    0,
    -1,
    1.5,
    2 ** 31,
    Number.MAX_SAFE_INTEGER,
    "",
    "é🙂",
    '{"a":1}',
    new Uint8Array(),
    new Uint8Array([0, 255]),
  ];
  database.exec("CREATE TABLE t(value)");
  const insert = database.prepare("INSERT INTO t VALUES (?)");
  for (const value of bound) insert.run(value);
  const select = database.prepare("SELECT value FROM t ORDER BY rowid");
  assert.deepEqual(select.values().flat(), bound);
  assert.deepEqual(select.all().map(({ value }) => value), bound);
  const one = database.prepare("SELECT value FROM t WHERE rowid = ?");
  assert.deepEqual(bound.map((_, i) => one.get(i + 1)!.value), bound);
  assert.equal(one.get(0), undefined);
});

test("each way of reading returns JSON as text", (folder) => {
  const statement = folder.open().prepare(
    `SELECT json_array(1, 'a') AS list, json_object('b', 2) AS object,
       json('"c"') AS text`,
  );
  const row = { list: '[1,"a"]', object: '{"b":2}', text: '"c"' };
  assert.deepEqual({ ...statement.get() }, row);
  assert.deepEqual(statement.all().map((row) => ({ ...row })), [row]);
  assert.deepEqual(statement.values(), [Object.values(row)]);
});

test("run() returns the changes and a row id of any size", (folder) => {
  const database = folder.open();
  database.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, value)");
  const insert = database.prepare("INSERT INTO t VALUES (?, 1), (?, 2)");
  for (const id of [1, 2 ** 31, 2 ** 32 + 5, 2 ** 52]) {
    assert.deepEqual(insert.run(id, id + 1), { changes: 2, rowId: id + 1 });
  }
});

test("open() reads an immutable file by its URI", (folder) => {
  const writer = folder.open();
  writer.exec("CREATE TABLE t(value); INSERT INTO t VALUES (1)");
  const uri = fileUri(folder.path, "immutable=1");
  const reader = folder.open(uri, { readOnly: true });
  assert.deepEqual(reader.prepare("SELECT value FROM t").values(), [[1]]);
  // An immutable file is not locked, so a writer does not wait for its readers.
  writer.exec("BEGIN EXCLUSIVE");
  assert.deepEqual(reader.prepare("SELECT value FROM t").values(), [[1]]);
  writer.exec("ROLLBACK");
});

test("a statement that failed works again", (folder) => {
  const database = folder.open();
  database.exec("CREATE TABLE t(value NOT NULL)");
  const insert = database.prepare("INSERT INTO t VALUES (?) RETURNING value");
  for (const way of ["run", "get", "all", "values"] as const) {
    assert.throws(() => insert[way](null), /constraint failed/);
    insert[way](way);
  }
  assert.deepEqual(database.prepare("SELECT value FROM t").values(), [
    ["run"],
    ["get"],
    ["all"],
    ["values"],
  ]);
});

Deno.test("fileUri() returns a URI with an absolute path", () => {
  const uri = "file:///C:/a%20b/%23%3F.db?mode=rw";
  assert.equal(fileUri("C:\\a b\\#?.db", "mode=rw"), uri);
  assert.equal(fileUri("/C:/a b/#?.db", "mode=rw"), uri);
});

// The statements that fail, by the fault that the store is told of.
const FAILURES: readonly [SqliteFault, string, (folder: Folder) => void][] = [
  ["constraint", "a violated constraint", (folder) => {
    const database = folder.open();
    database.exec("CREATE TABLE t(value NOT NULL)");
    database.prepare("INSERT INTO t VALUES (?)").run(null);
  }],
  ["constraint", "a trigger's RAISE, whose message names another", (folder) => {
    const database = folder.open();
    database.exec(
      `CREATE TABLE t(value); CREATE TRIGGER refusing BEFORE INSERT ON t
      BEGIN SELECT RAISE(ABORT, 'database is locked'); END`,
    );
    database.prepare("INSERT INTO t VALUES (1)").run();
  }],
  ["schema", "a missing table", (folder) => {
    folder.open().prepare("SELECT 1 FROM t").get();
  }],
  ["busy", "a locked file, by a statement", (folder) => {
    folder.open().exec("BEGIN IMMEDIATE");
    folder.open().prepare("BEGIN IMMEDIATE").run();
  }],
  ["busy", "a locked file, by exec()", (folder) => {
    folder.open().exec("BEGIN IMMEDIATE");
    folder.open().exec("BEGIN IMMEDIATE");
  }],
  ["read-only", "a write to a file opened for reading", (folder) => {
    folder.open().exec("CREATE TABLE t(value)");
    const reader = folder.open(folder.path, { readOnly: true });
    reader.prepare("INSERT INTO t VALUES (1)").run();
  }],
  ["permission", "a missing file opened for reading", (folder) => {
    folder.open(`${folder.root}/none.db`, { readOnly: true });
  }],
  ["permission", "a missing folder", (folder) => {
    folder.open(`${folder.root}/none/messaging.db`);
  }],
  ["not-a-database", "another file", (folder) => {
    Deno.writeTextFileSync(folder.path, "x".repeat(5_000));
    folder.open().prepare("SELECT count(*) FROM sqlite_schema").get();
  }],
];

for (const [fault, failure, fail] of FAILURES) {
  test(`${failure} is the fault "${fault}"`, (folder) => {
    assert.throws(() => fail(folder), (error) => {
      assert.equal(faultOf(error), fault, String(error));
      return true;
    });
  });
}
