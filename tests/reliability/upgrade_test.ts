/**
 * Files of every version open and migrate with all rows while sessions run. A
 * program too old for a file rejects it and leaves it unchanged.
 *
 * The program of version n made `upgrade/v‹n›.db.gz` (upgrade_make.ts).
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Hold, MessageBus } from "../../mod.ts";
import { Connection } from "../../lib/sqlite/connection.ts";
import { locateBus } from "../../lib/sqlite/location.ts";
import { SCHEMA, type Schema } from "../../lib/sqlite/schema.ts";
import { Mbus } from "../cli/mbus.ts";
import { Home, take } from "../fixture.ts";
import { Worker } from "./faults_scenario.ts";

const FOLDER = new URL("./upgrade/", import.meta.url);
const VERSIONS = Array.from({ length: SCHEMA.version }, (_, i) => i + 1);

/** Makes a bus folder from the committed file of a version. */
async function place(home: string, version: number): Promise<void> {
  for (const folder of [home, `${home}/db`, `${home}/bells`]) {
    Deno.mkdirSync(folder, { mode: 0o700 });
  }
  const file = await Deno.open(new URL(`v${version}.db.gz`, FOLDER));
  await Deno.writeFile(
    `${home}/db/messaging.db`,
    file.readable.pipeThrough(new DecompressionStream("gzip")),
    { mode: 0o600 },
  );
}

/** Asserts that all rows of a committed file exist and work. */
async function assertKept(bus: MessageBus): Promise<void> {
  const { messages } = await bus.poll("kept", { allProjects: true });
  assert.deepEqual(messages.map(({ payload }) => payload), [
    { n: 1 },
    { n: 2 },
    { n: 3 },
  ]);
  const sessions = await bus.sessions.list({ allProjects: true });
  const keeper = sessions.find(({ id }) => id === "keeper")!;
  assert.deepEqual([keeper.model, keeper.task, keeper.branch], ["m", "T", "b"]);
  const holds = await bus.locks.list({ allProjects: true });
  assert.deepEqual(holds.map(({ path, type }: Hold) => [path, type]), [
    ["/kept/exclusive", "exclusive"],
    ["/kept/{a,b}/**", "advisory"],
  ]);
  await assert.rejects(bus.locks.acquire("/kept/exclusive"), {
    name: "LockHeldError",
  });
  const tasks = await bus.tasks.list({ allProjects: true });
  assert.deepEqual(
    Object.fromEntries(tasks.map(({ id, status }) => [id, status])),
    { open: "open", later: "open", done: "done" },
  );
  // The durable name continues after its acknowledgement.
  const reader = bus.subscribe("kept", { durable: "name" });
  const rest = await take(reader, 2);
  assert.deepEqual(rest.map(({ payload }) => payload), [{ n: 2 }, { n: 3 }]);
  await reader.close();
}

/** Returns a next schema: a table, a column, and rewritten rows. */
function nextSchema(compatibleFrom: number): Schema {
  return {
    version: SCHEMA.version + 1,
    compatibleFrom,
    migrations: [...SCHEMA.migrations, [
      "CREATE TABLE moods (mood TEXT PRIMARY KEY)",
      "ALTER TABLE session_registry ADD COLUMN mood TEXT",
      "UPDATE session_registry SET mood = 'calm'",
      "CREATE INDEX idx_moods ON session_registry(mood)",
    ]],
  };
}

function migrate(home: string, schema: Schema): void {
  const location = locateBus(home);
  Connection.open(location, { busyTimeoutMs: 5_000, schema }).close();
}

for (const version of VERSIONS) {
  Deno.test(`openBus() opens a file of version ${version} with all its rows`, async () => {
    await using home = new Home();
    await place(home.path, version);
    const bus = await home.open({ project: "/kept" });
    await assertKept(bus);
    await bus.publish("kept", "new");
    await bus.sessions.update({ doing: "upgrades" });
    const own = { id: "own", title: "t", assign: bus.session };
    assert.equal((await bus.tasks.post(own)).assignedTo, bus.session);
    home.foreign().exec(`INSERT INTO inter_session_messages
      (sender_id, channel, payload, ttl_seconds) VALUES ('x', 'chat', '1', 0)`);
    const [chat] = (await bus.poll("chat", { allProjects: true })).messages;
    assert.ok(Date.parse(chat.expiresAt) - Date.now() > 3_600_000);
  });

  Deno.test(`a file of version ${version} is migrated under running sessions`, async () => {
    await using home = new Home();
    await place(home.path, version);
    const workers = [
      new Worker(await home.start({ pollIntervalMs: 20 }), "one"),
      new Worker(await home.start({ pollIntervalMs: 20 }), "two"),
    ];
    for (const worker of workers) await worker.read();
    const working = workers.map(async (worker) => {
      const refusals = [];
      for (let i = 0; i < 5; i++) refusals.push(...await worker.work());
      return refusals;
    });
    migrate(home.path, nextSchema(SCHEMA.compatibleFrom));
    assert.deepEqual((await Promise.all(working)).flat(), []);
    for (const worker of workers) {
      await worker.recover();
      await worker.assertRead();
    }
    const keeper = home.foreign().prepare(
      "SELECT mood FROM session_registry WHERE session_id = 'keeper'",
    );
    assert.equal(keeper.get()!.mood, "calm");
  });
}

Deno.test("the committed file of the present version has the present schema", async () => {
  await using home = new Home();
  const schemaOf = (path: string) => {
    using database = new DatabaseSync(path);
    return database.prepare(
      `SELECT name, sql FROM sqlite_schema
       WHERE name NOT LIKE 'sqlite_%' ORDER BY name`,
    ).all();
  };
  const fresh = await home.open();
  await fresh.close();
  const kept = `${home.root}/kept`;
  await place(kept, SCHEMA.version);
  // Existing files keep their schema, so every change needs a new version.
  assert.deepEqual(
    schemaOf(`${kept}/db/messaging.db`),
    schemaOf(home.database),
  );
});

/** Returns the bytes of a bus's files that must not change. */
function bytesOf(home: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const { name } of Deno.readDirSync(`${home}/db`)) {
    // Each opening process recreates the WAL index.
    if (name.endsWith("-shm")) continue;
    const bytes = Deno.readFileSync(`${home}/db/${name}`);
    if (bytes.length > 0) files[name] = bytes.toBase64();
  }
  return files;
}

/** Commands that must reject a newer file. */
const COMMANDS: readonly (readonly string[])[] = [
  ["send", "state", "1"],
  ["poll", "kept"],
  ["tail", "--count", "1"],
  ["sessions"],
  ["lock", "x"],
  ["task", "list"],
  ["inbox"],
  ["purge"],
  ["stats"],
  ["init"],
];

for (const hasWal of [false, true]) {
  Deno.test(`a newer file${hasWal ? " with a WAL" : ""} is rejected and left unchanged`, async () => {
    await using mbus = new Mbus();
    const made = `${mbus.folder}/made`;
    await place(made, SCHEMA.version);
    migrate(made, nextSchema(SCHEMA.version + 1));
    using keeper = new DatabaseSync(`${made}/db/messaging.db`);
    if (hasWal) keeper.exec("INSERT INTO moods VALUES ('glad')");
    // The state after the kill of a process.
    Deno.mkdirSync(mbus.home, { mode: 0o700 });
    for (const folder of ["db", "bells"]) {
      Deno.mkdirSync(`${mbus.home}/${folder}`, { mode: 0o700 });
    }
    for (
      const file of ["messaging.db", ...(hasWal ? ["messaging.db-wal"] : [])]
    ) {
      Deno.copyFileSync(`${made}/db/${file}`, `${mbus.home}/db/${file}`);
    }
    const before = bytesOf(mbus.home);
    assert.equal("messaging.db-wal" in before, hasWal);
    for (const args of COMMANDS) {
      const { code, stdout, stderr } = await mbus.run(args);
      assert.deepEqual([code, stdout], [3, ""], args.join(" "));
      assert.match(stderr, /made for version \d+ of .*Upgrade mbus\.\n$/);
      assert.deepEqual(bytesOf(mbus.home), before, args.join(" "));
    }
    const doctor = await mbus.run(["doctor"]);
    assert.equal(doctor.code, 3);
    assert.match(doctor.stdout, /upgrade mbus/);
    const hook = await mbus.run(["hook", "claude"], {
      input: JSON.stringify({
        session_id: "agent",
        cwd: mbus.folder,
        hook_event_name: "PreToolUse",
        tool_name: "Write",
        tool_input: { file_path: `${mbus.folder}/x`, content: "x" },
      }),
    });
    assert.deepEqual([hook.code, hook.stdout, hook.stderr], [0, "", ""]);
    assert.deepEqual(bytesOf(mbus.home), before);
    const rows = keeper.prepare("SELECT count(*) AS n FROM session_registry");
    assert.equal(rows.get()!.n, 1);
  });
}
