import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Mbus } from "./cli/mbus.ts";

interface Finding {
  readonly check: string;
  readonly status: "ok" | "warn" | "fail";
  readonly message: string;
  readonly remedy?: string;
}

async function examine(
  mbus: Mbus,
  code: number,
  ...args: string[]
): Promise<Map<string, Finding>> {
  const ended = await mbus.run(["doctor", "--json", ...args]);
  assert.equal(ended.code, code, ended.stdout + ended.stderr);
  assert.equal(ended.stderr, "");
  const findings = ended.stdout.trim().split("\n").map((line): Finding =>
    JSON.parse(line)
  );
  for (const { status, remedy, check } of findings) {
    assert.equal(status === "ok", remedy === undefined, check);
  }
  return new Map(findings.map((finding) => [finding.check, finding]));
}

Deno.test("doctor passes a healthy bus, as text and as JSON", async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", "1"]);
  const findings = await examine(mbus, 0);
  for (
    const check
      of "runtime sqlite host folder watch hooks database integrity journal wal sessions bells clock write session"
        .split(" ")
  ) assert.equal(findings.get(check)?.status, "ok", check);
  assert.match(
    findings.get("session")!.message,
    /^tester \(script\), because MBUS_SESSION names it/,
  );
  const shown = await mbus.done(["doctor"]);
  assert.match(
    shown,
    /^ok {4}integrity {4}quick_check and foreign_key_check passed/m,
  );
  assert.match(shown, /\nThe bus is usable\.\n$/);
  assert.deepEqual([...Deno.readDirSync(`${mbus.home}/bells`)], []);
});

Deno.test("doctor does not create a missing bus", async () => {
  await using mbus = new Mbus();
  const findings = await examine(mbus, 0);
  assert.equal(findings.get("database")?.status, "warn");
  assert.match(findings.get("database")!.remedy!, /mbus init/);
  assert.throws(() => Deno.statSync(mbus.home), Deno.errors.NotFound);

  const file = `${mbus.folder}/file`;
  Deno.writeTextFileSync(file, "");
  const nowhere = await examine(mbus, 3, "--home", `${file}/bus`);
  assert.equal(nowhere.get("folder")?.status, "fail");
});

Deno.test("doctor finds a broken file and does not change it", async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", "1"]);
  // The last connection checkpoints the WAL when it closes.
  await mbus.done(["stats"]);
  const whole = Deno.readFileSync(mbus.database);
  const broken = whole.slice();
  broken.fill(0xa5, 4096, 16_384);
  Deno.writeFileSync(mbus.database, broken);
  const corrupt = await examine(mbus, 3);
  const fails = [...corrupt.values()].filter(({ status }) => status === "fail");
  assert.notEqual(fails.length, 0);
  assert.ok(fails.some(({ remedy }) => /\.recover/.test(remedy!)));
  assert.deepEqual(Deno.readFileSync(mbus.database), broken);

  Deno.writeTextFileSync(mbus.database, "no database ".repeat(100));
  const other = await examine(mbus, 3);
  assert.equal(other.get("database")?.status, "fail");
  assert.equal(
    Deno.readTextFileSync(mbus.database),
    "no database ".repeat(100),
  );
});

Deno.test("doctor finds rows without a parent", async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", "1"]);
  const db = new DatabaseSync(mbus.database, {
    enableForeignKeyConstraints: false,
  });
  db.exec("DELETE FROM session_registry");
  db.close();
  const findings = await examine(mbus, 3);
  assert.match(
    findings.get("integrity")!.message,
    /a row of inter_session_messages has no parent in session_registry/,
  );
});

Deno.test("doctor names dead sessions, which purge then reaps", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using mbus = new Mbus();
  const tail = mbus.start(["tail", "--json"]);
  await mbus.reach(tail);
  const alive = await examine(mbus, 0);
  assert.equal(alive.get("bells")?.status, "ok");
  assert.match(
    alive.get("bells")!.message,
    /^1 readers, 0 of them dead/,
  );

  await tail.kill();
  const db = new DatabaseSync(mbus.database);
  // A process that has ended: the tail's.
  db.exec(`UPDATE session_registry SET pid = ${tail.pid}`);
  db.close();
  const dead = await examine(mbus, 0);
  assert.equal(dead.get("bells")?.status, "warn");
  assert.equal(dead.get("sessions")?.status, "warn");
  await mbus.done(["purge"]);
  const after = await examine(mbus, 0);
  assert.deepEqual(
    ["bells", "sessions"].map((check) => after.get(check)?.status),
    ["ok", "ok"],
  );
});

Deno.test("doctor counts the errors of hooks, the latest last", async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", "1"]);
  for (const agent of ["claude", "claude", "codex"]) {
    await mbus.done(["hook", agent], { input: "no JSON" });
  }
  const lines = (await mbus.json(["doctor"])) as unknown as Finding[];
  const hooks = lines.filter(({ check }) => check === "hooks");
  assert.deepEqual(hooks.map(({ status }) => status), ["warn", "warn", "warn"]);
  assert.match(hooks[0].message, /^3 errors .*: claude 2, codex 1$/);
  assert.match(hooks[1].message, /^claude, .*, 2 times: Cannot read the hook/);
  assert.match(
    hooks[2].message,
    /^codex, 20[^,]*: Cannot read the hook's input/,
  );
  assert.match(hooks[0].remedy!, /hooks\.log$/);
  // Lines older than a day and incomplete lines do not count.
  const log = `${mbus.home}/hooks.log`;
  const old = Deno.readTextFileSync(log).replaceAll(
    /"at":"20\d\d/g,
    '"at":"2001',
  );
  Deno.writeTextFileSync(log, `${old}{"at":"20`);
  const later = await examine(mbus, 0);
  assert.equal(later.get("hooks")?.status, "ok");
});
