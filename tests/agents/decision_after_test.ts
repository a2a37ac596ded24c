/**
 * After a shell command: changes to other sessions' files are found under any
 * hold, and told in true words.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Machine } from "./hook_machine.ts";

/** Makes two sessions in the repository, and a file. */
async function two(): Promise<Machine> {
  const machine = new Machine();
  machine.write("r/src/a.ts", "1");
  for (const session of ["ada", "bob"]) await machine.start(session);
  return machine;
}

/** Returns the text that `bob` is told after a command with a change in it. */
async function whileRuns(
  machine: Machine,
  command: string,
  happens: () => unknown,
  more: Parameters<Machine["shell"]>[2] = {},
): Promise<string> {
  const shell = machine.shell("bob", command, more);
  assert.equal((await shell.before()).reason, "");
  await happens();
  return (await shell.after()).context;
}

/** The sentence that names the command as the only author. */
const BLAMES = /Your command has changed/;

/** Asserts that the text tells no agent to undo another one's work. */
function assertNoUndoing(told: string): void {
  assert.doesNotMatch(told, /put it back|revert|undo|restore/i);
}

for (
  const [kind, path, type] of [
    ["a file", "src/a.ts", "exclusive"],
    ["a file", "src/a.ts", "advisory"],
    ["a folder", "src", "exclusive"],
    ["a folder", "src", "advisory"],
    ["the worktree", ".", "exclusive"],
    ["a glob", "src/**", "exclusive"],
    ["a glob", "**/*.ts", "advisory"],
    ["a glob", "src/{a,b}.ts", "exclusive"],
  ] as const
) {
  Deno.test(`a command that overwrites a held file is announced to both sessions: ${kind}, ${path}, ${type}`, async () => {
    await using machine = await two();
    await machine.lock("ada", `r/${path}`, type);
    const told = await whileRuns(
      machine,
      "make gen",
      () => machine.write("r/src/a.ts", "22"),
    );
    assert.match(told, BLAMES);
    assert.match(
      told,
      /src\/a\.ts, which ada .* \(.*locked .* ago\),? or something else/,
    );
    assert.match(told, /tell ada \(mbus tell ada /);
    assertNoUndoing(told);
    const [{ event, path: file, sessions, certain }, ...more] = await machine
      .conflicts();
    assert.deepEqual(more, []);
    assert.deepEqual({ event, file, sessions, certain }, {
      event: "overwritten",
      file: machine.path("r/src/a.ts"),
      sessions: ["bob", "ada"],
      certain: false,
    });
    assert.match(
      await machine.prompt("ada"),
      /conflict from bob.*\n\| ran a command or a tool while .*src\/a\.ts, which you hold, changed: read it again/,
    );
  });
}

Deno.test("a command that makes or removes a file in a held folder is announced", async () => {
  await using machine = await two();
  machine.write("r/src/deep/b.ts", "1");
  await machine.lock("ada", "r/src");
  const told = await whileRuns(machine, "make gen", () => {
    machine.write("r/src/deep/new.ts", "1");
    Deno.removeSync(machine.path("r/src/deep/b.ts"));
  });
  assert.match(told, /src\/deep\/b\.ts/);
  assert.match(told, /src\/deep\/new\.ts/);
  assert.doesNotMatch(told, /src\/a\.ts/);
  assert.equal((await machine.conflicts()).length, 2);
});

Deno.test("a command that removes a held folder is announced", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  const told = await whileRuns(
    machine,
    "make clean",
    () => Deno.removeSync(machine.path("r/src"), { recursive: true }),
  );
  assert.match(
    told,
    /src\/a\.ts, which ada holds exclusively \(.*src, a folder/,
  );
});

Deno.test("a file moved into a held folder with its old time is announced", async () => {
  await using machine = await two();
  const old = machine.write("r/old.ts", "2");
  Deno.utimeSync(old, 1_000, 1_000);
  Deno.utimeSync(machine.path("r/src/a.ts"), 1_000, 1_001);
  await machine.lock("ada", "r/src");
  const told = await whileRuns(
    machine,
    "make gen",
    () => Deno.renameSync(old, machine.path("r/src/a.ts")),
  );
  assert.match(told, /src\/a\.ts, which ada/);
});

Deno.test("git's own files and a nested worktree are not announced", async () => {
  await using machine = await two();
  Deno.mkdirSync(machine.path("r/.git/worktrees/w"), { recursive: true });
  machine.write("r/.git/worktrees/w/HEAD", "ref: refs/heads/w\n");
  machine.write("r/.git/worktrees/w/commondir", "../..\n");
  machine.write("r/.git/worktrees/w/gitdir", machine.path("r/w/.git\n"));
  machine.write("r/w/.git", `gitdir: ${machine.path("r/.git/worktrees/w")}\n`);
  machine.write("r/w/a.ts", "1");
  await machine.lock("ada", "r");
  const told = await whileRuns(machine, "git status", () => {
    machine.write("r/.git/index", "2");
    machine.write("r/w/a.ts", "22");
  });
  assert.equal(told, "");
  assert.deepEqual(await machine.conflicts(), []);
});

Deno.test("a glob covers only the files that it matches", async () => {
  await using machine = await two();
  machine.write("r/src/a.md", "1");
  await machine.lock("ada", "r/src/*.ts");
  const told = await whileRuns(
    machine,
    "make docs",
    () => machine.write("r/src/a.md", "22"),
  );
  assert.equal(told, "");
});

Deno.test("the holder's formatter is not blamed on another session's command", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src/a.ts");
  const tests = machine.shell("bob", "npm test");
  await tests.before();
  const formatter = machine.shell("ada", "npx prettier --write src");
  await formatter.before();
  machine.write("r/src/a.ts", "22");
  await formatter.after();
  const told = (await tests.after()).context;
  assert.doesNotMatch(told, BLAMES);
  assert.match(
    told,
    /src\/a\.ts, which ada holds exclusively \(locked .* ago\), changed while your command ran\. If it was your command, tell ada/,
  );
  assertNoUndoing(told);
});

Deno.test("a formatter that began before the command and ends after it is not blamed on it", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  const formatter = machine.shell("ada", "npx prettier --write src");
  await formatter.before();
  const told = await whileRuns(
    machine,
    "npm test",
    () => machine.write("r/src/a.ts", "22"),
  );
  assert.doesNotMatch(told, BLAMES);
  assert.match(told, /changed while your command ran/);
  await formatter.after();
  // After its end it is not a suspect.
  const later = await whileRuns(
    machine,
    "npm test",
    () => machine.write("r/src/a.ts", "333"),
  );
  assert.match(later, BLAMES);
});

Deno.test("the holder's own edit is not announced", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  const told = await whileRuns(
    machine,
    "npm test",
    () => machine.edit("ada", "r/src/a.ts", "22"),
  );
  assert.equal(told, "");
  assert.deepEqual(await machine.conflicts(), []);
});

Deno.test("a running edit that began before the command is not blamed on it", async () => {
  await using machine = await two();
  const path = { file_path: machine.path("r/src/a.ts") };
  const edit = machine.tool("ada", "Edit", path);
  await edit.before();
  const told = await whileRuns(
    machine,
    "npm test",
    () => machine.write("r/src/a.ts", "22"),
  );
  assert.match(
    told,
    /src\/a\.ts, which ada is editing \(locked .* ago\), changed while/,
  );
  assert.doesNotMatch(told, BLAMES);
  await edit.after();
});

Deno.test("a change that a person's editor may have made is not blamed on the command", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src/a.ts");
  const told = await whileRuns(
    machine,
    "npm test",
    () => machine.write("r/src/a.ts", "22"),
  );
  assert.match(
    told,
    /or something else did while it ran\. If it was your command, tell ada/,
  );
  // An agent that has read the file is told no more than that.
  const holders = await machine.prompt("ada");
  assert.doesNotMatch(holders, /bob has changed|^\| has changed/m);
});

Deno.test("two parallel commands are both announced, and neither is blamed", async () => {
  await using machine = await two();
  await machine.start("eve");
  await machine.lock("ada", "r/src");
  const other = machine.shell("eve", "make docs");
  const own = machine.shell("bob", "make gen");
  await other.before();
  await own.before();
  machine.write("r/src/a.ts", "22");
  for (const shell of [own, other]) {
    const told = (await shell.after()).context;
    assert.match(told, /src\/a\.ts, which ada .* changed while your command/);
    assert.doesNotMatch(told, BLAMES);
  }
});

Deno.test("a command that names the file is blamed for its change", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src", "advisory");
  const command = "sed -i s/1/2/ src/a.ts";
  assert.notEqual((await machine.shell("bob", command).before()).reason, "");
  const told = await whileRuns(
    machine,
    command,
    () => machine.write("r/src/a.ts", "22"),
  );
  assert.match(told, /Your command has changed .*src\/a\.ts, which ada /);
  assert.doesNotMatch(told, /something else|while your command ran/);
  const overwritten = (await machine.conflicts())
    .filter(({ event }) => event === "overwritten");
  assert.deepEqual(overwritten.map(({ certain }) => certain), [true]);
  assert.match(
    await machine.prompt("ada"),
    /\| has changed .*src\/a\.ts, which you hold, by a shell command/,
  );
});

Deno.test("an agent that has read the file is told of the change without an author", async () => {
  await using machine = await two();
  await machine.tool("ada", "Read", { file_path: machine.path("r/src/a.ts") })
    .after();
  await machine.lock("ada", "r/src/a.ts");
  await whileRuns(
    machine,
    "make gen",
    () => machine.write("r/src/a.ts", "22"),
  );
  const { reason } = await machine.edit("ada", "r/src/a.ts", "3");
  assert.match(
    reason,
    /src\/a\.ts changed \d+ s ago, after you read it\. bob ran a command or a tool meanwhile/,
  );
  assert.doesNotMatch(reason, /bob has changed/);
});

Deno.test("an edit after such a command is recorded as this session's", async () => {
  await using machine = await two();
  const read = { file_path: machine.path("r/src/a.ts") };
  await machine.lock("ada", "r/src/a.ts", "advisory");
  await whileRuns(
    machine,
    "make gen",
    () => machine.write("r/src/a.ts", "22"),
  );
  await machine.tool("eve", "Read", read).after();
  await machine.edit("bob", "r/src/a.ts", "333");
  await machine.edit("bob", "r/src/a.ts", "333");
  const { reason } = await machine.edit("eve", "r/src/a.ts", "4");
  assert.match(
    reason,
    /bob has changed .*src\/a\.ts \d+ s ago, after you read/,
  );
});

Deno.test("a session that has ended is not told of changes", async () => {
  await using machine = await two();
  await machine.lock("ada", "r/src");
  const told = await whileRuns(machine, "make gen", async () => {
    machine.write("r/src/a.ts", "22");
    await machine.call("ada", { event: "SessionEnd" });
  });
  assert.equal(told, "");
});

Deno.test("changes of many files are announced in one sentence and few events", async () => {
  await using machine = await two();
  for (let n = 0; n < 30; n++) machine.write(`r/src/f${n}.ts`, "1");
  await machine.lock("ada", "r/src");
  const told = await whileRuns(machine, "make gen", () => {
    for (let n = 0; n < 30; n++) machine.write(`r/src/f${n}.ts`, "22");
  });
  assert.equal(told.match(BLAMES)?.length, 1);
  assert.match(told, /f\d+\.ts and 25 more files, which ada holds/);
  const events = await machine.conflicts();
  assert.equal(events.length, 10);
  assert.deepEqual(
    [events.at(-1)?.path, events.at(-1)?.files],
    [machine.path("r/src"), 21],
  );
  assert.match(await machine.prompt("ada"), /while 21 more files of .*src, wh/);
});

Deno.test("more than 100 held files are all checked", async () => {
  await using machine = await two();
  for (let n = 0; n < 130; n++) {
    machine.write(`r/src/f${n}.ts`, "1");
    await machine.lock("ada", `r/src/f${n}.ts`, "advisory");
  }
  // The first ones were locked first, so they are not stamped.
  const told = await whileRuns(machine, "make gen", async () => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    for (const n of [0, 7, 129]) machine.write(`r/src/f${n}.ts`, "22");
  });
  for (const n of [0, 7, 129]) assert.match(told, new RegExp(`f${n}\\.ts`));
  assert.equal((await machine.conflicts()).length, 3);
});

Deno.test("a folder with more files than the bound is reported once", async () => {
  await using machine = await two();
  for (let n = 0; n < 5_100; n++) {
    const folder = `r/src/${n % 50}`;
    if (n < 50) Deno.mkdirSync(machine.path(folder));
    Deno.writeTextFileSync(machine.path(`${folder}/${n}.ts`), "1");
  }
  await machine.lock("ada", "r/src");
  const told = await whileRuns(
    machine,
    "make gen",
    () => machine.write("r/src/a.ts", "22"),
  );
  assert.match(
    told,
    /Only part of .*src \(a folder\), which ada holds, is checked /,
  );
  assert.match(told, /src\/a\.ts, which ada/);
  const again = await whileRuns(
    machine,
    "make gen",
    () => machine.write("r/src/a.ts", "333"),
  );
  assert.doesNotMatch(again, /Not all files/);
  assert.match(again, /src\/a\.ts, which ada/);
});

for (const above of [".", "r"]) {
  Deno.test(`a command in ${above === "." ? "a plain folder above" : "a superproject"} is held to the files of the project below`, async () => {
    await using machine = new Machine();
    machine.repository("r/sub");
    machine.write("r/sub/a.ts", "1");
    machine.write("r/sub/lib/b.ts", "1");
    await machine.start("ada", "r/sub");
    await machine.start("bob", above);
    await machine.lock("ada", "r/sub/lib");
    await machine.edit("ada", "r/sub/a.ts", "22", { cwd: "r/sub" });
    const told = await whileRuns(machine, "make gen", () => {
      machine.write("r/sub/a.ts", "333");
      machine.write("r/sub/lib/b.ts", "333");
    }, { cwd: above });
    assert.match(told, /sub\/a\.ts, which ada is editing/);
    assert.match(told, /sub\/lib\/b\.ts, which ada holds exclusively/);
    assert.match(
      await machine.prompt("ada", "r/sub"),
      /sub\/lib\/b\.ts, which/,
    );
  });
}

Deno.test("a command in a folder of another project is checked against its files", async () => {
  await using machine = await two();
  machine.repository("s");
  machine.write("s/c.ts", "1");
  await machine.start("eve", "s");
  await machine.lock("eve", "s/c.ts");
  const told = await whileRuns(
    machine,
    "make gen",
    () => machine.write("s/c.ts", "22"),
    { cwd: "s" },
  );
  assert.match(told, /s\/c\.ts, which eve holds/);
  assert.match(await machine.prompt("eve", "s"), /s\/c\.ts, which you hold/);
});
