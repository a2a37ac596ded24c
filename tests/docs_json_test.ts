/** docs/json.md lists the fields that the commands print with `--json`. */

import assert from "node:assert/strict";
import { COMMANDS } from "../lib/cli/commands.ts";
import { AgentsHome } from "./cli/agents_home.ts";

const PAGE = Deno.readTextFileSync(new URL("../docs/json.md", import.meta.url));

// `keeper` tells how this host checks a session's life, and is undocumented.
const UNLISTED = ["keeper"];

/** Reads the items of a list, by the names before their colons. */
function itemsOf(heading: string, indent = ""): Map<string, string> {
  const section = PAGE.split(`\n## ${heading}\n`)[1].split("\n## ")[0];
  const item = new RegExp(
    `^${indent}- (.*?):\\s+((?:(?!^ *- )[^])*?)(?=^ *- |\\n\\n|(?![^]))`,
    "gm",
  );
  const found = new Map<string, string>();
  for (const [, names, fields] of section.matchAll(item)) {
    for (const [, name] of names.matchAll(/(?:\*\*|`)([\w -]+?)(?:\*\*|`)/g)) {
      found.set(name, fields);
    }
  }
  return found;
}

const OBJECTS = itemsOf("Objects");
const LINES = new Map([
  ...itemsOf("Commands"),
  ...itemsOf("Commands", "  "),
]);

/** Returns the fields of a text, and whether each is always present. */
function fieldsOf(text: string): Map<string, boolean> {
  const objects = [...text.matchAll(/\*\*(\w+)\*\*/g)]
    .flatMap(([, name]) => [...fieldsOf(OBJECTS.get(name)!)]);
  const own = [...text.matchAll(/`(\w+)`(\??)/g)]
    .map(([, name, mark]): [string, boolean] => [name, mark === ""]);
  return new Map([...objects, ...own]);
}

/** Asserts that each line has the fields that the page lists under a name. */
function assertListed(
  name: string,
  lines: readonly Record<string, unknown>[],
): void {
  assert.ok(lines.length > 0, `${name} printed no line`);
  const fields = fieldsOf(LINES.get(name) ?? assert.fail(`${name}: no item`));
  for (const line of lines) {
    const names = Object.keys(line).filter((key) => !UNLISTED.includes(key));
    assert.deepEqual(names.filter((key) => !fields.has(key)), [], name);
    const missing = [...fields].filter(([key, always]) =>
      always && !Object.hasOwn(line, key)
    );
    assert.deepEqual(missing.map(([key]) => key), [], name);
  }
}

Deno.test("docs/json.md has an item for each command that prints objects", () => {
  const without = ["with-lock", "hook", "guard"];
  for (const name of Object.keys(COMMANDS)) {
    assert.notEqual(LINES.has(name), without.includes(name), name);
  }
});

Deno.test("docs/json.md lists the fields that each command prints", async () => {
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
    assertListed(does, touches.filter((touch) => touch.does === does));
  };

  await check("init");
  await check("register", ["register", "--vendor", "claude"]);
  await check("register", ["register", "--vendor", "codex"], "bob");
  await check("sessions");
  await check("send", ["send", "build", "1"]);
  await check("poll", ["poll", "build"]);
  await check("tail", ["tail", "build", "--from", "start", "--count", "1"]);

  const [{ id }] = await check("send", ["send", "chat", "1", "--to", "bob"]);
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
  await check("install --list");
  await check("uninstall", ["uninstall", "claude"]);
  await check("purge");
  await check("stats");
  await check("migrate");
  await check("doctor");
  await check("help", ["help", "task"]);
  await check("end");
});
