/**
 * The examples, links and commands in README and docs/ work. Their TypeScript
 * runs under `deno test --doc`.
 */

import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };
import { parseArguments, UsageError } from "../lib/cli/arguments.ts";
import type { Command } from "../lib/cli/command.ts";
import { declaredWord } from "../lib/cli/command_table.ts";
import { COMMANDS } from "../lib/cli/commands.ts";
import { DEFAULT_POLICY } from "../lib/hooks/policy.ts";
import { openBus } from "../mod.ts";
import { contextOf, reasonOf, Scene } from "./agents/scene.ts";
import { Mbus } from "./cli/mbus.ts";

const ROOT = new URL("../", import.meta.url);
const PAGES: ReadonlyMap<string, string> = new Map(
  ["", "docs/", "docs/adr/", "docs/benchmarks/"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(folder, ROOT))]
      .filter(({ name }) => name.endsWith(".md"))
      .map(({ name }) => folder + name)
  ).map((path) => [path, Deno.readTextFileSync(new URL(path, ROOT))]),
);
const GUIDES = [...PAGES].filter(([path]) => !/CHANGELOG|ADR-/.test(path));

/** Returns a page's first code block of a language that contains `text`. */
function snippet(path: string, language: string, text: string): string {
  const fences = PAGES.get(path)!.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  for (const [, name, code] of fences) {
    if (name === language && code.includes(text)) return code;
  }
  throw new Error(`Cannot find a ${language} snippet with "${text}".`);
}

/** Returns a text with single spaces in place of line breaks. */
function words(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** Returns whether a program is installed. */
async function has(program: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs a snippet, and asserts that a bell brings its message to a reader. */
async function assertPushed(
  program: string,
  flag: string,
  code: string,
): Promise<void> {
  const home = await Deno.makeTempDir({ prefix: "mbus-docs-" });
  try {
    // The next poll is a minute away, so only a bell can bring the message.
    await using bus = await openBus({ home, pollIntervalMs: 60_000 });
    const states = bus.subscribe("state", {
      signal: AbortSignal.timeout(30_000),
    });
    await states.ready;
    const { success, stderr } = await new Deno.Command(program, {
      args: [flag, code],
      env: { MBUS_HOME: home },
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const { value } = await states.next();
    assert.equal(value?.sender, "nightly-build");
    assert.deepEqual(value?.payload, { status: "passed" });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

const [hasShell, hasPython] = await Promise.all([
  has("sqlite3"),
  has("python3"),
]);

Deno.test({
  name: `a reader is woken by the sqlite3 snippet of docs/rows.md${
    hasShell
      ? ""
      : " (ignored: sqlite3 is not installed; apt-get install sqlite3)"
  }`,
  ignore: !hasShell,
  fn: () => assertPushed("sh", "-c", snippet("docs/rows.md", "sh", "sqlite3 ")),
});

Deno.test({
  name: `a reader is woken by the Python snippet of docs/rows.md${
    hasPython
      ? ""
      : " (ignored: python3 is not installed; apt-get install python3)"
  }`,
  ignore: !hasPython,
  fn: () =>
    assertPushed("python3", "-c", snippet("docs/rows.md", "python", "sqlite3")),
});

Deno.test("README and docs/hooks.md show a denial and a message as models read them", async () => {
  await using scene = await Scene.open();
  const path = scene.write("cart.ts", "a");
  await scene.store.registerSession({
    id: "codex-7f3a",
    vendor: "codex",
    project: scene.project,
  });
  await scene.hold("codex-7f3a", "cart.ts", {
    type: "exclusive",
    why: "renaming Cart",
  });
  scene.clock.advance(4 * 60_000);
  const denial = snippet("README.md", "text", "holds exclusively")
    .replaceAll("/home/me/shop/src/cart.ts", path);
  const reason = reasonOf(await scene.before("ada", [path]));
  assert.equal(words(denial), words(reason));

  const text = "Cart is renamed to Basket; main is green again.";
  const id = await scene.send("codex-7f3a", "ada", text);
  const context = contextOf(await scene.call("ada", { kind: "prompt" }));
  const shown = snippet("docs/hooks.md", "text", "This is information")
    .replace("message 3 on", `message ${id} on`);
  assert.equal(shown.trim(), context);
});

Deno.test("README shows sessions as mbus sessions prints them", async () => {
  await using scene = await Scene.open();
  await using mbus = new Mbus();
  const at = { worktree: scene.project, project: scene.project };
  await scene.store.registerSession({
    id: "codex-7f3a",
    vendor: "codex",
    model: "gpt-5.5",
    tty: "pts/1",
    pid: Deno.pid,
    ...at,
  });
  scene.clock.advance(1_000);
  await scene.store.registerSession({
    id: "claude-4c1e",
    vendor: "claude",
    model: "claude-opus-4-1",
    tty: "pts/0",
    pid: Deno.pid,
    ...at,
  });
  await scene.store.updateSession("codex-7f3a", {
    activeFiles: [scene.path("src/cart.ts")],
    doing: "Basket instead of Cart",
  });
  await scene.store.updateSession("claude-4c1e", {
    activity: { state: "needs-person", why: "a permission for Bash" },
  });
  const printed = await mbus.done(["sessions"], {
    cwd: scene.project,
    env: { MBUS_HOME: scene.databasePath.replace("/db/messaging.db", "") },
  });
  const shown = snippet("README.md", "text", "$ mbus sessions")
    .replace("$ mbus sessions\n", "")
    .replaceAll("/home/me/shop", scene.project)
    .replaceAll(" shop ", " project ");
  const ages = / \d+ (s|min) ago /g;
  assert.equal(
    words(shown).replaceAll(ages, " "),
    words(printed).replaceAll(ages, " "),
  );
});

Deno.test("docs/hooks.md shows the default policy", () => {
  const shown = JSON.parse(snippet("docs/hooks.md", "json", "onOverlap"));
  assert.deepEqual(shown, { ...DEFAULT_POLICY });
});

Deno.test("links between pages lead to files and headings that exist", async () => {
  const broken: string[] = [];
  for (const [path, text] of PAGES) {
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^\w+:/.test(link)) continue;
      const url = new URL(link, new URL(path, ROOT));
      const heading = url.hash.slice(1);
      url.hash = "";
      const target = await Deno.stat(url).catch(() => undefined);
      if (target === undefined) broken.push(`${path}: ${link}`);
      else if (heading !== "") {
        const headings = (await Deno.readTextFile(url))
          .matchAll(/^#+ (.*)$/gm);
        const slugs = [...headings].map(([, title]) =>
          title.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
        );
        if (!slugs.includes(heading)) broken.push(`${path}: ${link}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});

/** Returns the code of a page: spans, and lines of shell code blocks. */
function codeOf(text: string): string[] {
  const fences = [...text.matchAll(/^```sh\n(.*?)^```$/gms)];
  const prose = text.replaceAll(/^```.*?^```$/gms, "");
  return [
    ...fences.flatMap(([, code]) => code.split("\n")),
    ...[...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code),
  ].map((code) => code.replace(/ +#.*$/, "").replaceAll("\n", " "));
}

/** Splits a command line as a shell does, without substitutions. */
function argumentsOf(line: string): string[] {
  const argument = /(?:'[^']*'|"[^"]*"|[^\s'"])+/g;
  return (line.match(argument) ?? []).map((word) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"/g, "$1$2")
  );
}

/** Asserts that a command line of mbus has a command and valid options. */
async function assertRuns(line: string): Promise<void> {
  const args = argumentsOf(line).slice(1);
  if (args.length === 0) return;
  let commands: Command["commands"] = COMMANDS;
  let command: Command | undefined;
  while (commands !== undefined) {
    const word = declaredWord(args[0] ?? "", command?.name);
    if (word === undefined) break;
    args.shift();
    command = (await commands[word]()).default;
    commands = command.commands;
  }
  const isGlobal = command === undefined && args[0].startsWith("-");
  const grammar = isGlobal
    ? { name: "", positionals: [], options: {} }
    : command;
  if (grammar === undefined) throw new UsageError("command", "no such command");
  // A page may name a command without its arguments.
  if (args.length > 0) parseArguments(grammar, args);
}

Deno.test("pages name commands, options and tasks that exist", async () => {
  const wrong: string[] = [];
  let count = 0;
  for (const [path, text] of GUIDES) {
    for (const code of codeOf(text)) {
      const task = /\bdeno(?:@[\d.]+)? task ([\w:]+)(?=\s|$)/.exec(code)?.[1];
      if (task !== undefined && !Object.hasOwn(config.tasks, task)) {
        wrong.push(`${path}: ${code}`);
      }
      if (!/^mbus( |$)/.test(code)) continue;
      count++;
      await assertRuns(code).catch((error) => {
        wrong.push(`${path}: ${code}: ${error.message}`);
      });
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(count > 50, `${count}`);
});
