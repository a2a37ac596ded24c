/**
 * The installed programs on a server that fails: each command says why and exits
 * with 3, and each hook lets its agent go on and logs why.
 */

import assert from "node:assert/strict";
import { readHookLog } from "../../lib/hooks/hook_log.ts";
import { InstalledMbus } from "../cli/installed.ts";
import { canMount } from "../fixture.ts";
import { Database } from "./database.ts";
import { toVersion1 } from "./old_schema.ts";
import { availability, serverOfFile, withServer } from "./server.ts";

const server = await serverOfFile();
const ignore = availability.ignore || Deno.build.os === "windows";
const PASSWORD = "s3cret-word";

let installing: Promise<InstalledMbus> | undefined;

/** Installs the command once for all tests. */
function installed(): Promise<InstalledMbus> {
  installing ??= InstalledMbus.install();
  return installing;
}

Deno.test.afterAll(async () => {
  await (await installing)?.[Symbol.asyncDispose]();
});

// A payload that the server cannot compress, and that needs new pages.
const LARGE = JSON.stringify(
  Array.from({ length: 1_000 }, () => crypto.randomUUID()).join(""),
);

/** The commands whose failure is checked. */
const WRITES = [
  ["send", "state", LARGE],
  ["lock", "a.ts", "--for", "1m"],
  ["task", "post", "t"],
];
const READS = [
  ["tail", "state", "--from", "start", "--count", "1"],
  ["sessions"],
];

/** Checks that each command says why it fails, and that the hooks go on. */
async function assertTold(
  url: string,
  said: RegExp,
  { commands = WRITES, doctor = said }: {
    readonly commands?: readonly (readonly string[])[];
    readonly doctor?: RegExp;
  } = {},
): Promise<void> {
  const mbus = await installed();
  const env = { MBUS_URL: url };
  for (const args of commands) {
    const { code, stderr } = await mbus.run(args, { env });
    assert.equal(code, 3, `${args[0]}: ${stderr}`);
    assert.match(stderr, /^mbus: Cannot [^]*: [^]*\. [A-Z"][^]*\.\n$/);
    assert.match(stderr, said, args[0]);
    assertNoBug(stderr);
  }
  await assertHooksGoOn(mbus, url, said);
  const report = await mbus.run(["doctor"], { env });
  assert.equal(report.code, 3, report.stdout);
  const shown = report.stdout.replace(/\s+/g, " ");
  assert.match(shown, doctor);
  assert.match(shown, /warn hooks \d+ errors in the last day/);
  assertNoBug(shown + report.stderr);
}

async function assertHooksGoOn(
  mbus: InstalledMbus,
  url: string,
  said: RegExp,
): Promise<void> {
  const known = readHookLog(mbus.home, 1_000).length;
  for (const event of [{ hook_event_name: "SessionStart" }, EDIT]) {
    const { code, stdout, stderr } = await hook(mbus, url, event);
    assert.deepEqual([code, stdout, stderr], [0, "", ""]);
  }
  const logged = readHookLog(mbus.home, 1_000).slice(known);
  assert.equal(logged.length, 2);
  for (const { message } of logged) {
    // On a loaded machine the hook's time may end before the server's error.
    assert.match(message, new RegExp(`${said.source}|no answer in time`, "i"));
    assertNoBug(message);
  }
}

const EDIT = {
  hook_event_name: "PreToolUse",
  tool_name: "Edit",
  tool_input: { file_path: "a.ts", old_string: "a", new_string: "b" },
};

function hook(mbus: InstalledMbus, url: string, event: object) {
  return mbus.run(["hook", "claude"], {
    input: JSON.stringify({
      session_id: "s-1",
      cwd: mbus.project,
      ...event,
    }),
    env: { MBUS_URL: url, MBUS_SESSION: undefined },
  });
}

function assertNoBug(text: string): void {
  assert.doesNotMatch(text, /Internal error|bug in mbus|s3cret-word/);
}

Deno.test({
  name: "the installed programs report a server that hangs, and one that is " +
    "stopped",
  ignore,
  async fn() {
    await withServer(async (own) => {
      const url = own.url({ password: PASSWORD });
      const commands = [...WRITES.slice(0, 2), ...READS.slice(0, 1)];
      const { pid } = own;
      Deno.kill(pid, "SIGSTOP");
      try {
        const said = /does not answer \(no answer in time\), tried for/;
        await assertTold(url, said, { commands });
      } finally {
        Deno.kill(pid, "SIGCONT");
      }
      await own.stop();
      const said =
        /does not answer \(.*refused.*\)[^]*Check that the server runs/i;
      await assertTold(url, said, { commands: [...WRITES, ...READS] });
    });
  },
});

Deno.test({
  name: "the installed hook ends before a server that hangs could answer late",
  ignore,
  async fn() {
    const mbus = await installed();
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const url = server.url({ port: silent.addr.port });
    const running = hook(mbus, url, EDIT);
    using _connection = await silent.accept();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(() => resolve("the hook still runs"), 2_000);
    });
    const first = await Promise.race([running, late]);
    clearTimeout(timer);
    await running;
    assert.deepEqual(first, { code: 0, stdout: "", stderr: "" });
    const { message } = readHookLog(mbus.home, 1_000).at(-1)!;
    assert.match(message, /no answer in time/);
  },
});

Deno.test({
  name: "the installed programs report a server that is read-only",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await (await database.open()).close();
    const name = new URL(database.url).pathname.slice(1);
    await server.psql(
      name,
      `ALTER DATABASE ${name} SET default_transaction_read_only = on`,
    );
    await assertTold(
      database.url,
      /is read-only, as a standby or by its settings\. pass the address/i,
      { doctor: /fail write .* is read-only, as a standby or by its settings/ },
    );
  },
});

Deno.test({
  name: "the installed programs report a role that may only read",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await (await database.open()).close();
    const url = await reader(database, "reader");
    await assertTold(
      url,
      /"reader" lacks a right on the schema "message_bus"/,
      {
        doctor: /fail write .*"reader" lacks a right on the schema/,
      },
    );
  },
});

Deno.test({
  name: "the installed programs report an old schema that the role may not " +
    "migrate",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await (await database.open()).close();
    await toVersion1(database.foreign());
    const url = await reader(database, "old_reader");
    await assertTold(
      url,
      /its schema is of the old version 1, and the role lacks the right/,
      {
        commands: [...WRITES, ...READS],
        doctor:
          /fail write .*old version 1.* → run "mbus migrate" as the owner/,
      },
    );
  },
});

Deno.test({
  name: "the installed programs report a server whose disk is full" +
    (canMount ? "" : " (ignored: needs the right to mount)"),
  ignore: ignore || !canMount,
  async fn() {
    await withServer(async (own) => {
      await own.psql(
        "postgres",
        `CREATE TABLESPACE small LOCATION '${own.disk}'`,
      );
      await own.psql("postgres", "CREATE DATABASE bus TABLESPACE small");
      const url = own.url({ database: "bus" });
      const mbus = await installed();
      await mbus.run(["migrate"], { env: { MBUS_URL: url } });
      await own.psql("bus", "CREATE TABLE rest(text text)");
      const fill = `INSERT INTO rest SELECT repeat('x', 1000)
        FROM generate_series(1, 1000)`;
      await assert.rejects(async () => {
        for (;;) await own.psql("bus", fill);
      }, /No space left on device/);
      await assertTold(url, /has no space left \(.*No space left on device/, {
        doctor: /fail write .* has no space left/,
      });
      await own.psql("bus", "DROP TABLE rest");
      const sent = await mbus.run(["send", "state", LARGE], {
        env: { MBUS_URL: url },
      });
      assert.deepEqual([sent.code, sent.stderr], [0, ""]);
    }, { diskKib: 32 * 1024 });
  },
});

/** Creates a role that may only read the bus; returns its URL. */
async function reader(database: Database, role: string): Promise<string> {
  const name = new URL(database.url).pathname.slice(1);
  await server.psql(
    name,
    `CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}';
     GRANT USAGE ON SCHEMA message_bus TO ${role};
     GRANT SELECT ON ALL TABLES IN SCHEMA message_bus TO ${role}`,
  );
  return server.url({ database: name, user: role, password: PASSWORD });
}
