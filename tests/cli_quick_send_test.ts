/**
 * The quick way to send, held against the whole way: it is gone only where it
 * leaves what that would, and where it is not it leaves nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { openBus } from "../mod.ts";
import { Mbus, ROOT, type StartOptions } from "./cli/mbus.ts";

const UNNAMED = { env: { MBUS_SESSION: undefined } };

/** Runs a program of this checkout to its end; returns what it printed. */
async function run(
  mbus: Mbus,
  program: string,
  args: readonly string[],
  { env, cwd = `${mbus.folder}/project` }: StartOptions = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--cached-only", "--allow-all"],
      `${ROOT}/${program}`,
      ...args,
    ],
    cwd,
    env: mbus.environment(env),
    clearEnv: true,
  }).output();
  const text = new TextDecoder();
  assert(success, text.decode(stderr));
  return text.decode(stdout).trim();
}

const way = (mbus: Mbus, args: readonly string[], options?: StartOptions) =>
  run(mbus, "tests/cli/quick_sender.ts", args, options);

/** All that is in the tables that a message touches, but for times. */
function rowsOf(mbus: Mbus): unknown {
  using db = new DatabaseSync(mbus.database);
  const messages = db.prepare(
    `SELECT *, expires_at - CAST(round((julianday(created_at) - 2440587.5)
         * 86400000) AS INTEGER) AS lasts,
       created_at GLOB '20??-??-??T??:??:??.???Z' AS isSpelled
     FROM inter_session_messages`,
  ).all();
  const sessions = db.prepare("SELECT * FROM session_registry").all();
  const timeless = (row: Record<string, unknown>) => ({
    ...row,
    id: null,
    created_at: null,
    expires_at: null,
    registered_at: null,
    heartbeat_at: null,
  });
  return { messages: messages.map(timeless), sessions: sessions.map(timeless) };
}

Deno.test("the quick way to send leaves what the whole way does", async () => {
  const left: unknown[] = [];
  for (const program of ["lib/cli/send_entry.ts", "cli.ts"]) {
    await using mbus = new Mbus();
    const before = program === "cli.ts" ? ["send"] : [];
    await mbus.done(["register", "--vendor", "kimi"]);
    const calls: [string[], StartOptions?][] = [
      [["state", '{"status":"working","list":[1,"ä\\u0000"]}']],
      [["build.results", '"passed"']],
      [["state", "1"], UNNAMED],
    ];
    for (const [args, options] of calls) {
      assert.equal(await way(mbus, args, options), "quick", args.join(" "));
      await run(mbus, program, [...before, ...args], options);
    }
    left.push(
      JSON.parse(
        JSON.stringify(rowsOf(mbus)).replaceAll(mbus.folder, "FOLDER"),
      ),
    );
  }
  assert.deepEqual(left[0], left[1]);
});

Deno.test("a session without a process is spoken for quickly", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "kimi"]);
  using db = new DatabaseSync(mbus.database);
  db.exec(
    `UPDATE session_registry SET pid = NULL, process_start = NULL,
       heartbeat_at = '2026-01-01T00:00:00.000Z'`,
  );
  assert.equal(await way(mbus, ["state", "1"]), "quick");
  const row = db.prepare("SELECT heartbeat_at AS at FROM session_registry")
    .get();
  assert.match(String(row?.at), /^20\d\d-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
  assert.notEqual(
    row?.at,
    "2026-01-01T00:00:00.000Z",
    "it gave a sign of life",
  );
});

Deno.test("what is sent quickly is printed by its id, and rings", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "kimi"]);
  await using bus = await openBus({
    home: mbus.home,
    session: "reader",
    project: null,
    notify: "watch",
    pollIntervalMs: 60_000,
  });
  const messages = bus.subscribe("state");
  await messages.ready;
  const coming = messages.next();
  const printed = await run(mbus, "lib/cli/send_entry.ts", ["state", "[7]"]);
  const { value } = await coming;
  assert.deepEqual([value?.id, value?.payload], [printed, [7]]);
});

Deno.test("what is out of the ordinary is left to the whole way", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "kimi"]);
  await mbus.done(["register", "--vendor", "kimi", "--session", "ended"]);
  await mbus.done(["end", "--session", "ended"]);
  for (const id of ["two", "two~2", "dead", "anew", "nowhere"]) {
    await mbus.done(["register", "--vendor", "kimi", "--session", id]);
  }
  const change = (sql: string) => {
    using db = new DatabaseSync(mbus.database);
    db.exec(sql);
  };
  change(`UPDATE session_registry SET pid = 4194305 WHERE session_id = 'dead';
    UPDATE session_registry SET process_start = '1' WHERE session_id = 'anew';
    UPDATE session_registry SET project_id = NULL WHERE session_id = 'nowhere';
    INSERT INTO session_registry(session_id, llm_vendor, heartbeat_at)
    VALUES ('a b', 'unknown', '2026-01-01T00:00:00.000Z')`);
  const before = rowsOf(mbus);
  const as = (id: string) => ({ env: { MBUS_SESSION: id } });
  const ordinary = ["state", "1"];
  const cases: readonly (readonly [string[], StartOptions?])[] = [
    [["state"]],
    [["state", "1", "--json"]],
    [["state", "-"]],
    [["state", "-1"]],
    [["--json", "1"]],
    [["state", "working"]],
    [["state", "1", "2"]],
    [["two words", "1"]],
    [["state", "[".repeat(65) + "]".repeat(65)]],
    [["state", JSON.stringify("x".repeat(64 * 1024))]],
    [ordinary, { env: { MBUS_URL: "postgres://nowhere/" } }],
    [ordinary, { env: { MBUS_WITHIN: "tester" } }],
    [ordinary, { env: { MBUS_HOME: `${mbus.folder}/none` } }],
    [ordinary, { cwd: `${mbus.folder}/home` }],
    ...["unknown", "ended", "two", "dead", "anew", "nowhere", "a b"]
      .map((id) => [ordinary, as(id)] as const),
  ];
  for (const [args, options] of cases) {
    const what = `${args.join(" ").slice(0, 40)} ${JSON.stringify(options)}`;
    assert.equal(await way(mbus, args, options), "left", what);
  }
  assert.deepEqual(rowsOf(mbus), before);
  assert.equal(await way(mbus, ordinary), "quick");

  const made = () => Deno.statSync(`${mbus.folder}/none`);
  assert.throws(made, Deno.errors.NotFound);
});

Deno.test("who meets a writer sends when that is through", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "kimi"]);
  using db = new DatabaseSync(mbus.database);
  db.exec("BEGIN IMMEDIATE");
  assert.equal(await way(mbus, ["state", "1"]), "left");
  const sending = run(mbus, "lib/cli/send_entry.ts", ["state", "2"]);
  db.exec("COMMIT");
  assert.equal((await sending).length > 0, true);
  const [{ payload }] = await mbus.json(["poll", "state"]);
  assert.equal(payload, 2);
});

Deno.test("what goes wrong is said as by the whole way", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "kimi"]);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--cached-only", "--allow-all"],
      `${ROOT}/lib/cli/send_entry.ts`,
      ...["two words", "1"],
    ],
    env: mbus.environment(),
    clearEnv: true,
  }).output();
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /Cannot use channel/);
});
