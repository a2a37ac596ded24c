import assert from "node:assert/strict";
import { parseArguments } from "../lib/cli/arguments.ts";
import {
  COMMAND_TABLE,
  type CommandName,
  declaredWord,
  namesIn,
  rowOf,
  wordOf,
} from "../lib/cli/command_table.ts";
import { allCommands } from "../lib/cli/help.ts";
import { ENVIRONMENT } from "../lib/cli/help_topics.ts";
import { OVERVIEW_EXAMPLES, TOPICS } from "../lib/cli/overview.ts";
import type { Command } from "../lib/cli/declaration.ts";
import { GUIDE } from "../lib/install/agents/guide.ts";
import { Mbus, ROOT } from "./cli/mbus.ts";

const COMMANDS = await allCommands();

/** Splits a command line as a shell does, without substitutions. */
function argumentsOf(line: string): string[] {
  const argument = /(?:'[^']*'|"[^"]*"|[^\s'"])+/g;
  return (line.match(argument) ?? []).map((word) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"/g, "$1$2")
  );
}

/** Asserts that a command line has a command and valid arguments. */
function assertParses(line: string): void {
  const words = argumentsOf(line.replace(/ [<|] .*/, ""));
  const first = declaredWord(words[0]) ?? assert.fail(line);
  const second = words[1] && declaredWord(words[1], first);
  const name = second === undefined ? first : `${first} ${second}`;
  const command = COMMANDS.find((each) => each.name === name)!;
  if (command.commands !== undefined) return;
  parseArguments(command, words.slice(name.split(" ").length));
}

/** Returns the texts of a command that people read. */
function textsOf(command: Command): string[] {
  return [
    ...Object.values(command.options),
    ...command.positionals,
  ].map(({ help }) => help);
}

Deno.test("the table of commands has a row for each command and subcommand", () => {
  assert.deepEqual(
    COMMANDS.map(({ name }) => name),
    namesIn().flatMap((name) => [name, ...namesIn(name)]),
  );
  assert.equal(COMMANDS.length, Object.keys(COMMAND_TABLE).length);
  for (const command of COMMANDS.filter(({ commands }) => commands)) {
    assert.deepEqual(
      Object.keys(command.commands!),
      namesIn(command.name).map(wordOf),
    );
  }
});

Deno.test("no two commands of a group have one name or alias", () => {
  for (const group of [undefined, ...namesIn()]) {
    const words = namesIn(group).flatMap((name) => [
      wordOf(name),
      ...rowOf(name).aliases ?? [],
    ]);
    assert.deepEqual(words, [...new Set(words)]);
  }
});

Deno.test("each summary is a sentence of at most 50 characters, without a period", () => {
  for (const name of Object.keys(COMMAND_TABLE) as CommandName[]) {
    assert.match(rowOf(name).summary, /^[A-Z].{1,48}[^.]$/, name);
  }
});

Deno.test("defaults of options and arguments are fields, not part of the help", () => {
  for (const command of COMMANDS) {
    for (const text of textsOf(command)) {
      assert.doesNotMatch(text, /\(default: /, command.name);
    }
  }
});

Deno.test("examples of the help have valid options and arguments", () => {
  let count = 0;
  for (const { examples = [] } of COMMANDS) {
    examples.forEach(assertParses);
    count += examples.length;
  }
  OVERVIEW_EXAMPLES.forEach(assertParses);
  assert.ok(count > 30, `${count}`);
});

Deno.test("no option of a command has a spelling twice", () => {
  for (const { name, options } of COMMANDS) {
    const spellings = Object.entries(options).flatMap(([long, option]) => [
      `--${long}`,
      ...(option.aliases ?? []).map((alias) => `--${alias}`),
      ...(option.short === undefined ? [] : [`-${option.short}`]),
    ]);
    assert.deepEqual(spellings, [...new Set(spellings)], name);
  }
});

Deno.test("the overview fits 79 columns and 45 lines, and names each command", async () => {
  await using mbus = new Mbus();
  const overview = await mbus.done(["help"]);
  const lines = overview.trimEnd().split("\n");
  assert.ok(lines.length <= 45, `${lines.length} lines`);
  for (const line of lines) assert.ok(line.length <= 79, line);
  for (const name of namesIn()) {
    assert.match(overview, new RegExp(`[ ,]${name}[ ,\n]`), name);
  }
  assert.equal(await mbus.done(["--help"]), overview);
  assert.equal(await mbus.done([]), overview, "there is no bus yet");
  assert.throws(() => Deno.statSync(mbus.home), Deno.errors.NotFound);
});

Deno.test("mbus without a command adds two lines on the state of the bus", async () => {
  await using mbus = new Mbus();
  await mbus.done(["lock", "a.ts", "--exclusive"]);
  await mbus.done(["send", "chat", "1", "--to", "tester"], {
    env: { MBUS_SESSION: "bob" },
  });
  const waiter = mbus.start(
    ["lock", "a.ts", "--exclusive", "--wait", "60s", "--json"],
    { env: { MBUS_SESSION: "bob" } },
  );
  await waiter.errorLine();
  const [who, state, empty, ...rest] = (await mbus.done([])).split("\n");
  assert.equal(who, "You are tester in project project.");
  assert.equal(state, "2 sessions, 1 waits for a lock, 1 message for you");
  assert.equal(empty, "");
  assert.equal(rest.join("\n"), await mbus.done(["help"]));
  await waiter.end("SIGTERM");
});

Deno.test("mbus without a command prints the overview although the bus is unusable", async () => {
  await using mbus = new Mbus();
  Deno.mkdirSync(`${mbus.home}/db`, { recursive: true });
  Deno.writeTextFileSync(mbus.database, "no database".repeat(1000));
  const { code, stdout, stderr } = await mbus.run([]);
  assert.equal(code, 0);
  assert.equal(stdout, await mbus.done(["help"]));
  assert.match(stderr, /^mbus: .*\n$/);
});

Deno.test("help explains a command by its name and by its aliases", async () => {
  await using mbus = new Mbus();
  const tail = await mbus.done(["help", "tail"]);
  assert.equal(await mbus.done(["tail", "-h"]), tail);
  assert.match(tail, /--durable NAME +Durable name that keeps the position/);
  assert.match(tail, /--from now\|start\|ID .*\(default: now\)/);
  for (
    const title of ["Usage", "Options", "Exit codes", "JSON fields", "Examples"]
  ) assert.match(tail, new RegExp(`^${title}:`, "m"));
  const sessions = await mbus.done(["help", "sessions"]);
  assert.equal(await mbus.done(["help", "ls"]), sessions);
  assert.match(sessions, /^Also: ls, ps, session$/m);
  assert.equal(
    await mbus.done(["help", "tasks", "add"]),
    await mbus.done(["task", "post", "--help"]),
  );
});

Deno.test("help --json prints a line for each command and subcommand", async () => {
  await using mbus = new Mbus();
  const all = await mbus.json(["help"]);
  assert.deepEqual(
    all.map(({ command }) => command),
    COMMANDS.map((each) => each.name),
  );
  const post = all.find(({ command }) => command === "task post")!;
  assert.deepEqual(post.aliases, ["add"]);
  const options = post.options as { name: string; default?: string }[];
  assert.equal(options.find(({ name }) => name === "priority")?.default, "0");
});

Deno.test("help --all lists subcommands and the options of every command", async () => {
  await using mbus = new Mbus();
  const text = await mbus.done(["help", "--all"]);
  for (const { name } of COMMANDS) assert.ok(text.includes(`  ${name} `), name);
  assert.match(text, /--session NAME +Session to act as/);
});

Deno.test("help prints each topic, as text and as JSON", async () => {
  await using mbus = new Mbus();
  for (const topic of TOPICS) {
    const text = await mbus.done(["help", topic]);
    const [json] = await mbus.json(["help", topic]);
    assert.deepEqual(json, { topic, text: text.trimEnd() });
  }
  assert.match(await mbus.done(["help", "exit-codes"]), /^ {2}3 +The bus/m);
});

Deno.test("help agent prints the guide of agents, in at most 300 tokens", async () => {
  await using mbus = new Mbus();
  const words = (text: string) => text.replace(/\s+/g, " ").trim();
  assert.equal(words(await mbus.done(["help", "agent"])), words(GUIDE));
  // English text and code have at least 3.5 characters a token.
  assert.ok(GUIDE.length / 3.5 <= 300 * 1.15, `${GUIDE.length} characters`);
});

Deno.test("command lines of help start and help agent have valid arguments", async () => {
  await using mbus = new Mbus();
  const start = await mbus.done(["help", "start"]);
  const lines = [
    ...[...start.matchAll(/^ +mbus (.*)$/gm)].map(([, line]) => line),
    ...[...GUIDE.matchAll(/`mbus ([^`]+)`/g)].map(([, line]) => line),
  ];
  assert.ok(lines.length > 12, `${lines.length}`);
  lines.forEach(assertParses);
});

Deno.test("help env lists the variables that the code reads", async () => {
  const names = new Set<string>();
  const read = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      // Variables of tests do not set up mbus.
      if (isDirectory && name !== "testing") await read(path);
      if (!name.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(path);
      for (const [, found] of text.matchAll(/"(MBUS_[A-Z_]+)"/g)) {
        names.add(found);
      }
    }
  };
  await read(`${ROOT}/lib`);
  assert.deepEqual(
    Object.keys(ENVIRONMENT).filter((name) => name.startsWith("MBUS_")).sort(),
    [...names].sort(),
  );
});

Deno.test("aliases run the same commands", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "kimi"]);
  await mbus.done(["task", "add", "write", "--id", "T-1"]);
  const listed = await mbus.json(["sessions"]);
  for (const alias of ["ls", "ps", "session"]) {
    const [{ id }] = await mbus.json([alias]);
    assert.equal(id, listed[0].id, alias);
  }
  for (const line of ["task", "tasks", "task ls", "tasks list"]) {
    const [{ id }] = await mbus.json(line.split(" "));
    assert.equal(id, "T-1", line);
  }
});

Deno.test("whoami prints the session, and version the version", async () => {
  await using mbus = new Mbus();
  const { stdout, stderr } = await mbus.run(["whoami"]);
  assert.equal(stdout, "tester\n");
  assert.match(stderr, /not registered yet/);
  await mbus.done(["register", "--vendor", "kimi"]);
  const project = `${mbus.folder}/project`;
  assert.deepEqual(await mbus.json(["whoami"]), [
    {
      session: "tester",
      name: "tester",
      vendor: "kimi",
      registered: true,
      project,
    },
  ]);
  const version = await mbus.done(["version"]);
  assert.match(version, /^mbus \d+\.\d+\.\d+ \(Deno /);
  assert.equal(await mbus.done(["--version"]), version);
});

Deno.test("lock takes -m, --reason, --force and -q for their long forms", async () => {
  await using mbus = new Mbus();
  for (const option of ["-m", "--reason", "--why"]) {
    const [hold] = await mbus.json(["lock", "a.ts", option, "moving it"]);
    assert.equal(hold.why, "moving it", option);
  }
  assert.equal(await mbus.done(["locks", "-q"]), "a.ts\n");
  assert.equal(await mbus.done(["unlock", "a.ts", "-q"]), "");
  assert.equal(await mbus.done(["locks", "-q"]), "");
  assert.equal(
    await mbus.done(["lock", "a.ts", "--exclusive", "--for", "1ms", "-q"]),
    "",
  );
  const bob = { env: { MBUS_SESSION: "bob" } };
  const [hold] = await mbus.json(["lock", "a.ts", "--force"], bob);
  assert.equal(hold.session, "bob");
});

Deno.test("--force takes no lock whose time has not passed", async () => {
  await using mbus = new Mbus();
  await mbus.done(["lock", "a.ts", "--exclusive"]);
  const { code } = await mbus.run(["lock", "a.ts", "--force"], {
    env: { MBUS_SESSION: "bob" },
  });
  assert.equal(code, 1);
});

Deno.test("-n limits tail, poll and inbox, and -q prints ids", async () => {
  await using mbus = new Mbus();
  for (const text of ["1", "2"]) await mbus.done(["send", "build", text]);
  const payloads = async (...args: string[]) =>
    (await mbus.json(args)).map(({ payload }) => payload);
  assert.deepEqual(await payloads("poll", "build", "-n", "1"), [1]);
  assert.deepEqual(
    await payloads("tail", "build", "--from", "start", "-n", "2"),
    [1, 2],
  );
  assert.deepEqual(await payloads("inbox", "-n", "1"), []);
  assert.equal(await mbus.done(["sessions", "-q"]), "tester\n");
  await mbus.done(["task", "add", "write", "--id", "T-1"]);
  assert.equal(await mbus.done(["task", "list", "-q"]), "T-1\n");
});

Deno.test("bad command lines get one or two lines and exit code 2", async () => {
  await using mbus = new Mbus();
  const cases: [string[], RegExp][] = [
    [["lok"], /the command is unknown\. Did you mean "lock"\?/],
    [["\ufffd\u202e"], /the command is unknown/],
    [["task", "ad"], /Did you mean "add"\?/],
    [["help", "lok"], /Did you mean "lock"\?/],
    [["help", "lock", "x"], /the command is unknown/],
    [["help", "--al"], /Did you mean "--all"\?/],
    [["lock", "a", "--reasn", "x"], /Did you mean "--reason"\?/],
    [["lock"], /PATH is missing/],
    [["version", "x"], /one argument too many/],
    [["whoami", "x"], /one argument too many/],
    [
      ["lock", "a", "--for", "3"],
      /"3" is without a unit\. Write 3s, 3m, 3h or 3d/,
    ],
    [["lock", "a", "--for", "3 days"], /"3 days" is not a duration/],
    [["lock", "a", "--for", "3w"], /"3w" is not a duration/],
    [["lock", "a", "-n", "3"], /the option "-n" is unknown/],
    [["poll", "build", "-n", "x"], /"x" is not an integer/],
    [["--json"], /the command is missing/],
    [["--nonsense"], /the option "--nonsense" is unknown/],
  ];
  for (const [args, text] of cases) {
    const { code, stdout, stderr } = await mbus.run(args);
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    assert.match(stderr, text);
    assert.ok(stderr.split("\n").length <= 3, stderr);
    assert.doesNotMatch(stderr, /\n {4}at |\u202e/);
  }
  assert.throws(() => Deno.statSync(mbus.home), Deno.errors.NotFound);
});

Deno.test("NUL and invalid UTF-8 on standard input get a line and exit code 2", async () => {
  await using mbus = new Mbus();
  const inputs = ["\0", new Uint8Array([0x22, 0xff, 0x22]), "a\0b"];
  for (const input of inputs) {
    const { code, stderr } = await mbus.run(["send", "build", "-"], { input });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^mbus: .*\n$/);
  }
});

Deno.test("invalid UTF-8 in an argument ends with a line and exit code 1 or 2", async () => {
  await using mbus = new Mbus();
  const { code, stderr } = await new Deno.Command("bash", {
    args: [
      "-c",
      `'${Deno.execPath()}' run --quiet --cached-only --allow-all ` +
      `'${ROOT}/cli.ts' $'l\\xffck' 2>&1 >/dev/null | cat >&2; exit \${PIPESTATUS[0]}`,
    ],
    cwd: `${mbus.folder}/project`,
    env: mbus.environment(),
    clearEnv: true,
  }).output();
  assert.ok(code === 1 || code === 2, `${code}`);
  assert.ok(new TextDecoder().decode(stderr).trim().split("\n").length <= 2);
});

Deno.test("help ends quietly when the reader of its output has gone", async () => {
  await using mbus = new Mbus();
  for (const args of [["help"], ["help", "--all"], ["completion", "zsh"]]) {
    const running = mbus.start(args);
    await running.leave();
    assert.equal(await running.end(), 0, args.join(" "));
  }
});
