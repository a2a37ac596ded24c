/** A journal mode that another program set is set back to WAL at the next open. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { BusyError } from "../mod.ts";
import { Mbus } from "./cli/mbus.ts";
import { COMMANDS } from "./cli/opening_commands.ts";
import { Home } from "./fixture.ts";

const MODES = ["delete", "truncate", "persist"];

function modeOf(path: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare("PRAGMA journal_mode").get()!.journal_mode;
  } finally {
    database.close();
  }
}

/** Sets the journal mode as a foreign program does. */
function setMode(path: string, mode: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA journal_mode=${mode}`);
  } finally {
    database.close();
  }
  // The file keeps only whether it is in WAL mode.
  assert.equal(modeOf(path), "delete");
}

const EDIT = JSON.stringify({
  session_id: "11111111-2222-3333-4444-555555555555",
  cwd: "/tmp",
  hook_event_name: "PreToolUse",
  tool_name: "Write",
  tool_input: { file_path: "/tmp/nowhere.txt", content: "x" },
});

Deno.test("each command sets the journal mode back to WAL", async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", "1"]);
  for (const [command, args, input] of COMMANDS) {
    setMode(mbus.database, "delete");
    // A tail waits for a message, and prints what is there.
    const { stderr } = await mbus.run(
      command === "tail" ? [...args, "--from", "start"] : args,
      { input: input === undefined ? undefined : EDIT },
    );
    assert.doesNotMatch(stderr, /stat|-wal|os error/, command);
    assert.equal(modeOf(mbus.database), "wal", command);
    assert.throws(
      () => Deno.statSync(`${mbus.home}/hooks.log`),
      Deno.errors.NotFound,
      command,
    );
  }
});

Deno.test("the fast path of a hook declines a file that is not in WAL mode", async () => {
  await using mbus = new Mbus();
  const file = `${Deno.realPathSync(mbus.folder)}/project/a.txt`;
  Deno.writeTextFileSync(file, "a");
  const input = JSON.stringify({
    ...JSON.parse(EDIT),
    cwd: `${mbus.folder}/project`,
    tool_input: { file_path: file, content: "x" },
  });
  // One call in eight looks at the WAL.
  for (let i = 0; i < 30; i++) {
    if (i % 10 === 1) setMode(mbus.database, "delete");
    const ended = await mbus.run(["hook", "claude"], {
      input,
      env: { MBUS_SESSION: undefined },
    });
    assert.deepEqual(ended, { code: 0, stdout: "", stderr: "" });
    assert.equal(modeOf(mbus.database), "wal");
  }
  assert.throws(
    () => Deno.statSync(`${mbus.home}/hooks.log`),
    Deno.errors.NotFound,
  );
});

for (const mode of MODES) {
  Deno.test(`openBus() sets the journal mode ${mode} back to WAL`, async () => {
    await using home = new Home();
    await (await home.open()).close();
    setMode(home.database, mode);
    // The other program still has the file open.
    const foreign = home.foreign();
    foreign.exec(`PRAGMA journal_mode=${mode}`);
    const bus = await home.open();
    assert.equal(modeOf(home.database), "wal");
    await bus.publish("a", 1);
    foreign.exec(
      `INSERT INTO inter_session_messages(sender_id, channel, payload)
       VALUES ('foreign', 'a', '2')`,
    );
    const { messages } = await bus.poll("a");
    assert.deepEqual(messages.map(({ payload }) => payload), [1, 2]);
    assert.deepEqual(home.warnings, []);
    assert.ok((await bus.stats()).walBytes > 0);
  });
}

Deno.test("openBus() rejects with BusyError while a transaction keeps the journal mode", async () => {
  await using home = new Home();
  await (await home.open()).close();
  setMode(home.database, "delete");
  const foreign = home.foreign();
  foreign.exec("BEGIN; SELECT count(*) FROM inter_session_messages");
  await assert.rejects(home.open({ busyTimeoutMs: 100 }), BusyError);
  // Reading needs no WAL.
  const reader = await home.open({ readOnly: true });
  assert.deepEqual((await reader.poll("a")).messages, []);
  await reader.close();
  foreign.exec("COMMIT");
  await home.open({ busyTimeoutMs: 100 });
  assert.equal(modeOf(home.database), "wal");
});

Deno.test("doctor tells that another program changed the journal mode", async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", "1"]);
  setMode(mbus.database, "delete");
  const told = await mbus.run(["doctor"]);
  assert.equal(told.code, 0);
  assert.match(told.stdout, /^warn +journal +.+ "delete".+ back to WAL/m);
  assert.match(await mbus.done(["doctor"]), /^ok +journal +WAL/m);
});
