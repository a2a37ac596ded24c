/**
 * Changes that are found later or by other means: commands in the background, and
 * tools of unknown effect.
 *
 * @module
 */

import assert from "node:assert/strict";
import { shellWrites } from "../../lib/hooks/shell/shell.ts";
import { contextOf, Scene } from "./scene.ts";
import { Machine } from "./hook_machine.ts";

async function two(): Promise<Machine> {
  const machine = new Machine();
  machine.write("r/src/a.ts", "1");
  machine.write("r/src/b.ts", "1");
  for (const session of ["ada", "bob"]) await machine.start(session);
  return machine;
}

for (
  const [what, input] of [
    ["run_in_background", { command: "make watch", run_in_background: true }],
    ["a trailing &", { command: "make watch &" }],
    ["nohup and &", { command: "nohup make watch > log 2>&1 &" }],
    ["& in a script", { command: "bash -c 'make watch & true'" }],
    ["tmux", { command: "tmux new -d 'make watch'" }],
  ] as const
) {
  Deno.test(`a write of a command in the background is announced at a later hook: ${what}`, async () => {
    await using machine = await two();
    await machine.lock("ada", "r/src");
    const shell = machine.tool("bob", "Bash", input);
    await shell.before();
    assert.equal((await shell.after()).context, "");
    machine.write("r/src/a.ts", "22");
    const told = await machine.prompt("bob");
    assert.match(
      told,
      /src\/a\.ts, which ada holds .* changed while your command in the background ran\. If it was your command in the background, tell ada/,
    );
    assert.match(
      await machine.prompt("ada"),
      /\| ran a command or a tool while .*src\/a\.ts, which you hold/,
    );
    assert.equal(await machine.prompt("bob"), "");
  });
}

Deno.test("a command that ends with its call is not checked again", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  const shell = machine.shell("bob", "make gen && curl 'x?a=1&b=2' 2>&1");
  await shell.before();
  await shell.after();
  machine.write("r/src/a.ts", "22");
  assert.equal(await machine.prompt("bob"), "");
  assert.deepEqual(await machine.conflicts(), []);
});

Deno.test("shellWrites() tells commands that go on from those that end", () => {
  for (
    const command of [
      "a &",
      "(a &)",
      "a & b",
      "if x; then a & fi",
      "sh -c 'a & b'",
      "echo $(a &)",
      "/usr/bin/setsid -f a",
      "systemd-run a",
    ]
  ) assert.equal(shellWrites(command).goesOn, true, command);
  for (
    const command of [
      "a && b",
      "a 2>&1",
      "a &> log",
      "a |& b",
      "echo 'a & b'",
      "echo a\\&",
      "nohup a",
      "echo tmux",
    ]
  ) assert.equal(shellWrites(command).goesOn, undefined, command);
  const call = "& 'C:\\a b\\c.exe' x";
  assert.equal(
    shellWrites(call, { syntax: "powershell" }).goesOn,
    undefined,
  );
});

Deno.test("a background change is announced once for each file, for ten minutes", async () => {
  await using scene = await Scene.open();
  Deno.mkdirSync(scene.path("src"));
  for (const name of ["a", "b", "c"]) scene.write(`src/${name}.ts`, "1");
  await scene.hold("bob", "src", { type: "exclusive" });
  const shell = { callId: "1" };
  await scene.beforeShell("ada", "./watch &", shell);
  await scene.afterShell("ada", "./watch &", shell);
  const told = async () =>
    contextOf(await scene.call("ada", { kind: "prompt" }));
  scene.clock.advance(60_000);
  scene.write("src/a.ts", "22");
  assert.match(await told(), /src\/a\.ts, which bob/);
  scene.clock.advance(60_000);
  scene.write("src/a.ts", "333");
  assert.equal(await told(), "");
  scene.write("src/b.ts", "22");
  // At most every two seconds, but always at the end of a turn.
  assert.equal(await told(), "");
  await scene.call("ada", { kind: "stop", wasContinued: false });
  assert.match(await told(), /src\/b\.ts, which bob/);
  scene.clock.advance(10 * 60_000);
  assert.equal(await told(), "");
  scene.write("src/c.ts", "22");
  scene.clock.advance(60_000);
  assert.equal(await told(), "");
});

Deno.test("commands of a session are checked for the last time at its end", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src/a.ts");
  const shell = machine.shell("bob", "make watch &");
  await shell.before();
  await shell.after();
  machine.write("r/src/a.ts", "22");
  await machine.call("bob", { event: "SessionEnd" });
  assert.match(await machine.prompt("ada"), /src\/a\.ts, which you hold, chan/);
});

Deno.test("a file that its holder reports as changed is not announced", async () => {
  await using machine = await two();
  const shell = machine.shell("bob", "make watch &");
  await machine.lock("ada", "r/src");
  await shell.before();
  await shell.after();
  await machine.edit("ada", "r/src/a.ts", "22");
  assert.equal(await machine.prompt("bob"), "");
});

Deno.test("two commands in the background are both checked", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  const shells = ["make one &", "make two &"].map((command) =>
    machine.shell("bob", command)
  );
  for (const shell of shells) await shell.before();
  await Promise.all(shells.map((shell) => shell.after()));
  await using store = await machine.store();
  const notes = await store.readNotes("bob", ["background"]);
  assert.equal(JSON.parse(notes.get("background")!).length, 2);
});

for (
  const [name, field] of [
    ["mcp__magic__improve", "path"],
    ["mcp__magic__improve", "file_path"],
    ["Unheard", "uri"],
  ] as const
) {
  Deno.test(`a change by an unknown tool is announced and noted: ${name}, ${field}`, async () => {
    await using machine = await two();
    const path = machine.path("r/src/a.ts");
    await machine.tool("ada", "Read", { file_path: path }).after();
    await machine.lock("ada", "r/src");
    const value = field === "uri" ? `file://${path}` : path;
    const tool = machine.tool("bob", name, { [field]: value });
    assert.equal((await tool.before()).reason, "");
    machine.write("r/src/a.ts", "22");
    const told = (await tool.after()).context;
    assert.match(
      told,
      new RegExp(
        `Your call of ${name} has changed .*src/a\\.ts, which ada holds .*or something else did while it ran`,
      ),
    );
    assert.match(
      await machine.prompt("ada"),
      /\| ran a command or a tool while .*src\/a\.ts, which you hold/,
    );
    await using store = await machine.store();
    const touches = await store.touchesOf(path, 0);
    assert.deepEqual(touches.map(({ session }) => session), ["bob"]);
  });
}

Deno.test("a change of a free file is noted for agents that have read it", async () => {
  await using machine = await two();
  await machine.tool("ada", "Read", { file_path: machine.path("r/src/a.ts") })
    .after();
  const tool = machine.tool("bob", "Unheard", {
    path: machine.path("r/src/a.ts"),
  });
  await tool.before();
  machine.write("r/src/a.ts", "22");
  assert.equal((await tool.after()).context, "");
  const { reason } = await machine.edit("ada", "r/src/a.ts", "3");
  assert.match(reason, /src\/a\.ts changed \d+ s ago, after you read it\. bob/);
});

Deno.test("an unknown tool that changes nothing leaves no event", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  const tool = machine.tool("bob", "Unheard", {
    path: machine.path("r/src/a.ts"),
  });
  await tool.before();
  assert.equal((await tool.after()).context, "");
  await using store = await machine.store();
  assert.deepEqual(await store.touchesOf(machine.path("r/src/a.ts"), 0), []);
});

Deno.test("a file that the tool makes, and one in a folder that it names, are found", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  for (
    const [named, changed] of [["r/src/new.ts", "r/src/new.ts"], [
      "r/src",
      "r/src/b.ts",
    ]]
  ) {
    const tool = machine.tool("bob", "Unheard", { path: machine.path(named) });
    await tool.before();
    machine.write(changed, "333");
    assert.ok((await tool.after()).context.includes(`${changed}, which ada`));
  }
});

Deno.test("a change in another project that the tool names is announced to its holder", async () => {
  await using machine = await two();
  machine.repository("s");
  machine.write("s/c.ts", "1");
  await machine.start("eve", "s");
  await machine.lock("eve", "s/c.ts");
  const tool = machine.tool("bob", "Unheard", { path: machine.path("s/c.ts") });
  await tool.before();
  machine.write("s/c.ts", "22");
  assert.match((await tool.after()).context, /s\/c\.ts, which eve holds/);
});

Deno.test("a text that only looks like a path causes no error", async () => {
  await using machine = await two();
  const { readHookLog } = await import("../../lib/hooks/hook_log.ts");
  for (const path of ["https://a.example/b", "a\u0000b", "x".repeat(9_000)]) {
    const tool = machine.tool("bob", "Unheard", { path });
    await tool.before();
    assert.equal((await tool.after()).context, "");
  }
  assert.deepEqual(readHookLog(machine.home, 10), []);
});
