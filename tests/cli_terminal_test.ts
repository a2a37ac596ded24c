import assert from "node:assert/strict";
import { textWidth } from "../lib/cli/output/text_width.ts";
import { Mbus, ROOT } from "./cli/mbus.ts";
import { terminalText } from "./terminal_text.ts";

// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[\d+m/;

/** Returns what a command writes to a terminal of so many columns. */
async function onTerminal(
  mbus: Mbus,
  command: string,
  columns: number,
  env: Record<string, string> = {},
): Promise<string> {
  const { stdout } = await new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--command",
      `stty cols ${columns} rows 40 && "$DENO" run -q --cached-only -A "$ROOT/cli.ts" ${command}`,
      "/dev/null",
    ],
    cwd: `${mbus.folder}/project`,
    env: {
      ...mbus.environment({ TERM: "xterm", ...env }),
      DENO: Deno.execPath(),
      ROOT,
    },
    clearEnv: true,
    stdin: "null",
  }).output();
  return terminalText(stdout);
}

/** Returns the text with the ages of messages of one length. */
function aged(text: string): string {
  return text.replaceAll(/\d+ s ago/g, "0 s ago");
}

/** Returns the text without line breaks, and with single spaces. */
function unwrapped(text: string): string {
  return aged(text.replaceAll(/\s+/g, " "));
}

Deno.test("a terminal gets colours and lines of its width, a pipe plain ones", {
  // util-linux's `script` creates the terminal.
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  const payload = JSON.stringify("日本語 ".repeat(60));
  await mbus.done(["send", "state", payload]);
  const plain = await mbus.done(["poll", "state"]);
  assert.doesNotMatch(plain, COLOUR);
  assert.equal(plain.split("\n").length, 2, "a pipe gets one line a message");

  const [coloured, uncoloured, dumb, json] = await Promise.all([
    onTerminal(mbus, "poll state", 60),
    onTerminal(mbus, "poll state", 60, { NO_COLOR: "1" }),
    onTerminal(mbus, "poll state", 60, { TERM: "dumb" }),
    onTerminal(mbus, "poll state --json", 60),
  ]);
  assert.match(coloured, COLOUR);
  assert.doesNotMatch(uncoloured, COLOUR);
  assert.doesNotMatch(dumb, COLOUR);
  assert.equal(unwrapped(uncoloured), unwrapped(plain));
  for (const line of uncoloured.split("\n")) {
    assert.ok(textWidth(line) <= 60, line);
  }
  assert.equal(
    // deno-lint-ignore no-control-regex
    aged(coloured.replaceAll(/\x1b\[\d+m/g, "")),
    aged(uncoloured),
    "colours take no room",
  );
  assert.ok(JSON.parse(json).payload.length > 200, "JSON stays on one line");
});

Deno.test("a terminal of 80 columns wraps a reason and cuts nothing", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  const why = "renaming a heading in each chapter, so links to it change too";
  const title = "write the parser, and a table of the cases that it refuses";
  const uuid = "3f2a9c1e-5b77-4d0a-9c1e-d02f6a1b8e44";
  await mbus.done(["register", "--session", uuid, "--vendor", "claude"]);
  await mbus.done(
    ["lock", "docs/guide.md", "--why", why, "--session", uuid, "--exclusive"],
  );
  await mbus.done(["task", "post", title, "--id", "T-1"]);
  const plain = { NO_COLOR: "1" };
  const shown = async (command: string): Promise<string> => {
    const text = await onTerminal(mbus, command, 80, plain);
    assert.doesNotMatch(text, /…/, text);
    for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
    return unwrapped(text);
  };
  for (const command of ["who docs/guide.md", "locks"]) {
    const text = await shown(command);
    assert.ok(text.includes(`WHY ${why} `), text);
    assert.match(text, /SESSION .* claude-8e44/);
  }
  assert.ok((await shown("task list")).includes(title));
  assert.ok((await shown("task show T-1")).includes(title));
  await mbus.done(["status", title]);
  // The cells of a wrapped row stand side by side.
  const sessions = await shown("sessions");
  for (const word of title.split(" ")) assert.ok(sessions.includes(word));
  assert.match(
    await shown("doctor"),
    /ok session tester \(.*\), because MBUS_SESSION names it/,
  );
});

Deno.test("help fits a terminal of 80 columns and has the text of a pipe", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  for (const command of ["help", "help tail", "help task", "help install"]) {
    const shown = await onTerminal(mbus, command, 80, { NO_COLOR: "1" });
    for (const line of shown.split("\n")) assert.ok(line.length <= 80, line);
    const piped = await mbus.done(command.split(" "));
    assert.equal(unwrapped(shown), unwrapped(piped));
  }
});

Deno.test("a terminal wraps a long name and keeps each column after it", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  const long = "claude-" + "x".repeat(100);
  const path = `${"folder/".repeat(20)}cart.ts`;
  await mbus.done(["register", "--session", long, "--vendor", "claude"]);
  await mbus.done(["lock", path, "--session", long]);
  await mbus.done(["send", "chat", '"what is said"', "--session", long]);
  const plain = { NO_COLOR: "1" };
  await mbus.done(["status", "y".repeat(200), "--session", long]);
  const sessions = await onTerminal(mbus, "sessions", 80, plain);
  assert.match(sessions, /claude-x+ +working \d+ s ago +y+/);
  assert.equal(sessions.match(/y{3,}/g)!.join("").length, 200, sessions);
  for (const line of sessions.split("\n")) assert.ok(line.length <= 80, line);
  const locks = await onTerminal(mbus, "locks -l", 80, plain);
  assert.match(locks, /folder\/ +advisory +claude-x*/);
  assert.match(locks, /\bcart\.ts\b/);
  const said = await onTerminal(mbus, "poll chat -l", 80, plain);
  assert.match(said, /claude-x* +"what is said"$/m);
  for (const text of [locks, said]) {
    assert.equal(text.match(/x+/g)!.join("").length, 100, text);
    for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  }
});

Deno.test("a person's shell is one session for all its commands", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  const shown = await onTerminal(
    mbus,
    `sessions; for n in 1 2; do "$DENO" run -q --cached-only -A "$ROOT/cli.ts" send state $n --json; done; ` +
      `"$DENO" run -q --cached-only -A "$ROOT/cli.ts" sessions --json`,
    200,
    { MBUS_SESSION: "" },
  );
  const [none, first, second, session, ...rest] = shown.trim().split("\n");
  assert.match(none, /^No sessions in this project/);
  assert.deepEqual(rest, []);
  const sender = JSON.parse(first).sender;
  assert.match(sender, /^shell-\d+-[0-9a-z]{4}$/);
  assert.equal(JSON.parse(second).sender, sender);
  const seen = JSON.parse(session);
  assert.deepEqual([seen.id, seen.vendor, seen.self], [sender, "shell", true]);
  assert.match(seen.tty, /^pts\/\d+$/);
});

Deno.test("a terminal of any width wraps the help and cuts nothing", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  for (const command of ["help", "help lock", "help env", "help --all"]) {
    const plain = await mbus.done(command.split(" "));
    for (const columns of [20, 60, 120]) {
      const shown = await onTerminal(mbus, `${command} 2>/dev/null`, columns, {
        TERM: "dumb",
      });
      // Words and columns break at the width, so letters are compared.
      const letters = (text: string) => text.replaceAll(/\s/g, "");
      if (columns > 20) {
        assert.equal(letters(shown), letters(plain), `${command}, ${columns}`);
      }
      for (const line of shown.split("\n")) {
        assert.ok(textWidth(line) <= columns, `${columns}: ${line}`);
      }
    }
  }
});
