/**
 * A hook and the shell of one agent are one session, in either order and under any
 * name; two agents are two sessions.
 *
 * Agents are shells under the names by which their processes are recognised.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Mbus, ROOT } from "../cli/mbus.ts";
import { inputOf, type Point } from "./calls.ts";

const IGNORE = Deno.build.os !== "linux";

/** A project, and programs that run the command there. */
class Stage implements AsyncDisposable {
  readonly mbus: Mbus = new Mbus();
  readonly project: string = Deno.realPathSync(`${this.mbus.folder}/project`);

  constructor() {
    Deno.mkdirSync(`${this.project}/.git`);
    Deno.writeTextFileSync(`${this.project}/.git/HEAD`, "ref: refs/heads/x\n");
    Deno.writeTextFileSync(`${this.project}/a.ts`, "a\n");
    Deno.writeTextFileSync(
      `${this.mbus.folder}/mbus`,
      `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet --cached-only ` +
        `--allow-all '${ROOT}/cli.ts' "$@"\n`,
      { mode: 0o755 },
    );
  }

  /** Makes a shell under the name of a program. */
  program(name: string): string {
    const path = `${this.mbus.folder}/${name}`;
    Deno.copyFileSync("/bin/bash", path);
    return path;
  }

  /** Returns the words that call an agent's hook. */
  hook(
    agent: "claude" | "cursor",
    point: Point,
    session = "s-1",
  ): string {
    const input = inputOf(agent, {
      point,
      session,
      cwd: this.project,
      path: `${this.project}/a.ts`,
    });
    const file = `${this.mbus.folder}/${crypto.randomUUID()}`;
    Deno.writeTextFileSync(file, JSON.stringify(input));
    return `sh -c '"$@"; exit $?' sh mbus hook ${agent} < ${file}`;
  }

  /** Runs a script as a program, without a terminal. */
  async runAs(
    program: string,
    script: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; output: string; errors: string }> {
    const file = `${this.mbus.folder}/${crypto.randomUUID()}`;
    Deno.writeTextFileSync(
      file,
      ["set -e", ...script, "exit 0", ""].join("\n"),
    );
    const { code, stdout, stderr } = await new Deno.Command("setsid", {
      args: ["-w", program, file],
      cwd: this.project,
      env: this.mbus.environment({
        MBUS_SESSION: undefined,
        PATH: `${this.mbus.folder}:/usr/bin:/bin`,
        ...env,
      }),
      clearEnv: true,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    return { code, output: text.decode(stdout), errors: text.decode(stderr) };
  }

  /** Runs a script that must succeed; returns the JSON that it printed. */
  async linesOf(
    program: string,
    script: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Record<string, unknown>[]> {
    const { code, output, errors } = await this.runAs(program, script, env);
    assert.equal(code, 0, errors);
    return output.split("\n").filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mbus[Symbol.asyncDispose]();
  }
}

function test(name: string, fn: (stage: Stage) => Promise<void>): void {
  Deno.test({
    name,
    ignore: IGNORE,
    async fn() {
      await using stage = new Stage();
      await fn(stage);
    },
  });
}

const SESSIONS = "mbus sessions --json --all-projects";

/** Returns a command in a shell of its own, as agents run them. */
function inShell(command: string): string {
  return `setsid -w bash -c "${command}" </dev/null`;
}

test("two agents below one editor are two sessions", async (stage) => {
  const [agent, editor] = ["cursor-agent", "cursor-ide"].map((name) =>
    stage.program(name)
  );
  const file = `${stage.mbus.folder}/agent.sh`;
  Deno.writeTextFileSync(
    file,
    `${inShell("mbus lock a.ts --exclusive")}\nexit $?\n`,
  );
  const { code, output, errors } = await stage.runAs(editor, [
    `${agent} ${file} >/dev/null`,
    `if ${agent} ${file} >/dev/null; then exit 1; fi`,
    SESSIONS,
  ]);
  assert.equal(code, 0, errors);
  const sessions = output.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(sessions.length, 2);
  assert.equal(new Set(sessions.map(({ id }) => id)).size, 2);
  // Both end with the editor's window.
  assert.equal(new Set(sessions.map(({ pid }) => pid)).size, 1);
  assert.match(errors, /Cannot lock .*cursor-\w{4} \(cursor\) holds/);
});

for (const name of ["some-agent", "cursor-agent"]) {
  test(`the shell of ${name} is found again by the hook's caller`, async (stage) => {
    const lines = await stage.linesOf(stage.program(name), [
      stage.hook("cursor", "start"),
      inShell("mbus lock a.ts --exclusive --json"),
      SESSIONS,
    ]);
    const [hold, ...sessions] = lines.filter((line) =>
      "session" in line || "life" in line
    );
    assert.equal(hold.session, "s-1");
    assert.deepEqual(
      sessions.map(({ id, vendor, life }) => [id, vendor, life]),
      [
        // An unrecognised agent lives by its heartbeat.
        ["s-1", "cursor", name === "some-agent" ? "unknown" : "alive"],
      ],
    );
  });
}

test("sessions of one process are told apart, or asked for", async (stage) => {
  const program = stage.program("some-agent");
  const { code, output, errors } = await stage.runAs(program, [
    stage.hook("cursor", "start", "s-1"),
    stage.hook("cursor", "start", "s-2"),
    // s-1 waits for its person.
    stage.hook("cursor", "stop", "s-1"),
    inShell("mbus lock a.ts --json"),
    stage.hook("cursor", "prompt", "s-1"),
    `if ${inShell("mbus lock b.ts")}; then exit 9; fi`,
    inShell("mbus lock b.ts --session s-1 --json"),
  ]);
  assert.equal(code, 0, errors);
  const holds = output.split("\n").filter((line) => line.startsWith('{"')).map(
    (line) => JSON.parse(line),
  ).filter(({ session }) => session !== undefined);
  assert.deepEqual(holds.map(({ session }) => session), ["s-2", "s-1"]);
  assert.match(
    errors,
    /Cannot hold a lock or a task: this process has several sessions \(s-[12], s-[12]\)/,
  );
});

const ORDERS: Readonly<Record<string, readonly ("hook" | "shell")[]>> = {
  "the hook": ["hook", "shell"],
  "the shell": ["shell", "hook"],
};

for (const [first, order] of Object.entries(ORDERS)) {
  test(`an agent with a name is one session, where ${first} is first`, async (stage) => {
    const calls = {
      hook: stage.hook("claude", "before-edit"),
      shell: inShell("mbus lock a.ts --exclusive"),
    };
    const lines = await stage.linesOf(
      stage.program("claude"),
      [
        ...order.map((each) => calls[each]),
        calls.hook,
        "mbus register --vendor person --session bob >/dev/null",
        `mbus tell alice --session bob hello alice >/dev/null`,
        stage.hook("claude", "prompt"),
        SESSIONS,
      ],
      { MBUS_SESSION: "alice" },
    );
    // Neither conflicts with the other.
    assert.ok(!JSON.stringify(lines).includes('"deny"'));
    const told = lines.find((line) => "hookSpecificOutput" in line);
    assert.match(JSON.stringify(told), /hello alice/);
    const sessions = lines.filter(({ id }) => id !== undefined && id !== "bob");
    assert.deepEqual(
      sessions.map(({ id, vendor, life }) => [id, vendor, life]),
      [
        ["alice", "claude", "alive"],
      ],
    );
  });
}

test("an agent that an agent starts is not it, under the same name", async (stage) => {
  const claude = stage.program("claude");
  const inner = `${stage.mbus.folder}/inner.sh`;
  const edit = stage.hook("claude", "before-edit", "s-2");
  Deno.writeTextFileSync(
    inner,
    [
      edit,
      edit,
      inShell("mbus lock b.ts --exclusive --json"),
      SESSIONS,
      "exit 0\n",
    ].join("\n"),
  );
  const outerEdit = stage.hook("claude", "before-edit");
  const lines = await stage.linesOf(
    claude,
    // Twice, because the second call takes the fast path.
    [outerEdit, outerEdit, `${claude} ${inner}`],
    { MBUS_SESSION: "alice" },
  );
  const sessions = lines.filter(({ life }) => life !== undefined);
  assert.deepEqual(sessions.map(({ id }) => id), ["alice", "alice~2"]);
  assert.equal(new Set(sessions.map(({ pid }) => pid)).size, 2);
  const hold = lines.find(({ path }) => path !== undefined);
  assert.equal(hold?.session, "alice~2");
});

test("an agent takes over the name of the shell that starts it", async (stage) => {
  const claude = stage.program("claude");
  const agent = `${stage.mbus.folder}/agent.sh`;
  Deno.writeTextFileSync(
    agent,
    [
      stage.hook("claude", "start"),
      inShell("mbus lock b.ts --json"),
      SESSIONS,
      "exit 0\n",
    ].join("\n"),
  );
  const lines = await stage.linesOf(
    "/bin/bash",
    ["mbus lock a.ts >/dev/null", `${claude} ${agent}`, "mbus locks --json"],
    { MBUS_SESSION: "alice" },
  );
  // At its start the hook tells the session's name.
  const [hold, session, ...holds] = lines
    .filter((line) => !("hookSpecificOutput" in line));
  assert.equal(hold.session, "alice");
  assert.deepEqual([session.id, session.vendor], ["alice", "claude"]);
  assert.ok(!lines.some(({ id }) => String(id).includes("~")));
  // The agent has ended, and its locks with it.
  assert.deepEqual(holds, []);
});

test("a session that ends with its command holds no lock", async (stage) => {
  const refused = await stage.runAs("/bin/bash", [
    // The further command keeps the shell alive.
    inShell("mbus lock a.ts && echo done") + " || exit $?",
  ]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.errors,
    /^mbus: Cannot hold a lock or a task: this session ends with process \d+, the shell of this command\. Name a session with --session, or run the work in mbus with-lock\.$/m,
  );
  const claimed = await stage.runAs("/bin/bash", [
    "mbus task post t --id t-1 --session poster >/dev/null",
    "mbus end --session poster >/dev/null",
    inShell("mbus task claim t-1 && echo done") + " || exit $?",
  ]);
  assert.equal(claimed.code, 1);
  // Under a name it lives on by its heartbeat.
  const lines = await stage.linesOf("/bin/bash", [
    inShell("mbus lock a.ts --session ci && echo done"),
    "mbus locks --json",
  ]);
  assert.deepEqual(lines.map(({ session }) => session), ["ci"]);
});

test("a script is told that what it holds ends with it", async (stage) => {
  const { code, errors } = await stage.runAs("/bin/bash", ["mbus lock a.ts"]);
  assert.equal(code, 0);
  assert.match(
    errors,
    /Locks and tasks of this session end with process \d+, which runs/,
  );
});

test("a session that is mistyped reads nothing", async (stage) => {
  await stage.mbus.done([
    "register",
    "--vendor",
    "person",
    "--session",
    "alice",
  ]);
  for (const command of ["inbox", "sessions", "locks", "poll state"]) {
    const { code, stderr } = await stage.mbus.run([
      ...command.split(" "),
      "--session",
      "alcie",
    ]);
    assert.equal(code, 2, command);
    assert.match(stderr, /no session "alcie" is on this bus/);
    await stage.mbus.done([...command.split(" "), "--session", "alice"]);
  }
  const sessions = await stage.mbus.json(["sessions"]);
  assert.deepEqual(sessions.map(({ id }) => id), ["alice"]);
});
