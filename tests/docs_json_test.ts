/** Commands print the fields that they declare, and docs/ list these. */

import assert from "node:assert/strict";
import { allCommands } from "../lib/cli/help.ts";
import { fieldsOf as lineFields } from "../lib/cli/json_fields.ts";
import { AgentsHome } from "./cli/agents_home.ts";
import { PAGES, withTables } from "./doc_tables.ts";

const COMMANDS = await allCommands();

// `keeper` tells how this host checks a session's life, and is undocumented.
const UNLISTED = ["keeper"];

/** Returns the declared fields, and whether each is always present. */
function fieldsOf(name: string, when?: string): Map<string, boolean> {
  const line = COMMANDS.find((command) => command.name === name)?.json
    ?.find((line) => line.when === when) ??
    assert.fail(`${name}, ${when}: no fields`);
  return new Map(
    lineFields(line).map((
      field,
    ) => [field.replace("?", ""), !field.endsWith("?")]),
  );
}

/** Asserts that each line has the fields that a command declares. */
function assertListed(
  name: string,
  lines: readonly Record<string, unknown>[],
  when?: string,
): void {
  assert.ok(lines.length > 0, `${name} printed no line`);
  const fields = fieldsOf(name, when);
  for (const line of lines) {
    const names = Object.keys(line).filter((key) => !UNLISTED.includes(key));
    assert.deepEqual(names.filter((key) => !fields.has(key)), [], name);
    const missing = [...fields].filter(([key, always]) =>
      always && !Object.hasOwn(line, key)
    );
    assert.deepEqual(missing.map(([key]) => key), [], name);
  }
}

Deno.test("each command declares the fields that it prints", () => {
  const without = COMMANDS.filter(({ json }) => json === undefined);
  assert.deepEqual(
    without.map(({ name }) => name),
    ["guard", "completion", "hook"],
  );
});

Deno.test("tables of docs/ are those of the commands; deno task docs writes them", async () => {
  // deno fmt aligns columns and wraps lists.
  const words = (text: string) =>
    text.replace(/-{3,}|\s+/g, " ").replace(/ +/g, " ");
  for (const path of PAGES) {
    const page = Deno.readTextFileSync(new URL(`../${path}`, import.meta.url));
    assert.equal(words(page), words(await withTables(page)), path);
  }
});

Deno.test("commands print the fields that they declare", async () => {
  await using mbus = new AgentsHome();
  const cwd = mbus.project;
  const git = await new Deno.Command("git", {
    args: ["init", "--quiet", cwd],
  }).output();
  assert.ok(git.success);
  const as = (session: string) => ({ cwd, env: { MBUS_SESSION: session } });
  const check = async (
    name: string,
    args: readonly string[] = name.split(" "),
    session = "ada",
  ): Promise<Record<string, unknown>[]> => {
    const lines = await mbus.json(args, as(session));
    assertListed(name, lines);
    return lines;
  };
  const touchesOf = async (path: string, does: string): Promise<void> => {
    const touches = await mbus.json(["who", path], as("ada"));
    assertListed(
      "who",
      touches.filter((touch) => touch.does === does),
      `does: ${does}`,
    );
  };

  await check("init");
  await check("register", ["register", "--vendor", "claude"]);
  await check("register", ["register", "--vendor", "codex"], "bob");
  await check("sessions");
  await check("status");
  await check("statusline");
  await check("send", ["send", "build", "1"]);
  await check("poll", ["poll", "build"]);
  await check("tail", ["tail", "build", "--from", "start", "--count", "1"]);

  await check("name", ["name", "backend"], "bob");
  await check("tell", ["tell", "all", "hello"]);
  const [{ id }] = await check("tell", ["tell", "backend", "hello"]);
  await check("send", ["send", "chat", "1", "--to", "bob"]);
  await check("inbox", ["inbox"], "bob");
  await check("reply", ["reply", String(id), "2"], "bob");
  const asked = mbus.json(["ask", "bob", "1"], as("ada"));
  const [question] = await mbus.json(["inbox", "--wait"], as("bob"));
  await mbus.done(["reply", String(question.id), "2"], as("bob"));
  assertListed("ask", await asked);

  await check("task", ["task", "post", "write", "--id", "T-1"]);
  await check("task", ["task", "next"]);
  await check("task", ["task", "done", "T-1", "1"]);
  await check("task", ["task", "list"]);

  Deno.writeTextFileSync(`${cwd}/a.ts`, "a");
  await new Deno.Command("git", { args: ["-C", cwd, "add", "a.ts"] }).output();
  await check("lock", ["lock", "a.ts", "--why", "x"]);
  await check("lock", ["lock", "a.ts"], "bob");
  await touchesOf("a.ts", "holds");
  await touchesOf("a.ts", "conflict");
  await check("guard check");
  await check("locks");
  await check("unlock", ["unlock", "a.ts"]);

  const waiter = mbus.start(
    ["lock", "a.ts", "--exclusive", "--wait", "60s", "--json"],
    as("ada"),
  );
  const { waiting } = JSON.parse(await waiter.errorLine() ?? "");
  assert.deepEqual(Object.keys(waiting), ["path", "blockers"]);
  await touchesOf("a.ts", "waits");
  await waiter.end("SIGTERM");

  await mbus.done(["hook", "claude"], {
    cwd,
    env: { MBUS_SESSION: undefined },
    input: JSON.stringify({
      session_id: "eve",
      hook_event_name: "PreToolUse",
      cwd,
      tool_name: "Write",
      tool_input: { file_path: `${cwd}/b.ts`, content: "b" },
    }),
  });
  await touchesOf("b.ts", "edits");

  await check("guard install");
  // The code tells whether git finds mbus on the PATH.
  const { stdout } = await mbus.run(["guard", "status", "--json"], as("ada"));
  assertListed(
    "guard status",
    stdout.trim().split("\n").map((line) => JSON.parse(line)),
  );
  await check("guard remove");
  await check("install", ["install", "claude", "--guide"]);
  assertListed(
    "install",
    await mbus.json(["install", "--list"], as("ada")),
    "with --list",
  );
  await check("uninstall", ["uninstall", "claude"]);
  await check("purge");
  await check("stats");
  await check("migrate");
  await check("doctor");
  await check("help", ["help", "task"]);
  assertListed(
    "help",
    await mbus.json(["help", "env"], as("ada")),
    "of a topic",
  );
  await check("whoami");
  await check("version");
  await check("end");
});
