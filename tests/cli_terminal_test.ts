import assert from "node:assert/strict";
import { Mbus, ROOT } from "./cli/mbus.ts";

// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[\d+m/;

/** What a command writes to a terminal of so many columns. */
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
  return new TextDecoder().decode(stdout).replaceAll("\r\n", "\n");
}

Deno.test("a terminal gets colours and lines of its width, a pipe plain ones", {
  // util-linux's `script` makes the terminal.
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", JSON.stringify("日本語 ".repeat(60))]);
  const plain = await mbus.done(["poll", "state"]);
  assert.doesNotMatch(plain, COLOUR);
  assert.ok(plain.length > 240, "a pipe gets it whole");

  const [coloured, uncoloured, dumb, json] = await Promise.all([
    onTerminal(mbus, "poll state", 60),
    onTerminal(mbus, "poll state", 60, { NO_COLOR: "1" }),
    onTerminal(mbus, "poll state", 60, { TERM: "dumb" }),
    onTerminal(mbus, "poll state --json", 60),
  ]);
  assert.match(coloured, COLOUR);
  assert.doesNotMatch(uncoloured, COLOUR);
  assert.doesNotMatch(dumb, COLOUR);
  assert.match(uncoloured, /…\n$/);
  // Three of four characters of the payload take two columns.
  const wide = uncoloured.match(/[日本語]/g)!.length;
  const columns = uncoloured.trimEnd().length + wide;
  assert.ok(columns === 60 || columns === 59, String(columns));
  assert.equal(
    // deno-lint-ignore no-control-regex
    coloured.replaceAll(/\x1b\[\d+m/g, ""),
    uncoloured,
    "colours take no room",
  );
  assert.ok(JSON.parse(json).payload.length > 200, "JSON is never cut");
});

Deno.test("a long name hides nothing that stands behind it on a terminal", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  const long = "claude-" + "x".repeat(100);
  const path = `${"folder/".repeat(20)}cart.ts`;
  await mbus.done(["register", "--session", long, "--vendor", "claude"]);
  await mbus.done(["lock", path, "--session", long]);
  const plain = { NO_COLOR: "1" };
  const sessions = await onTerminal(mbus, "sessions", 80, plain);
  assert.match(sessions, /claude-x+… +claude +active/);
  const locks = await onTerminal(mbus, "locks", 80, plain);
  assert.match(locks, /…\S*\/cart\.ts +advisory +claude-x/);
  await mbus.done(["send", "chat", '"what is said"', "--session", long]);
  const said = await onTerminal(mbus, "poll chat", 80, plain);
  assert.match(said, /claude-x+… {2}"what is said"$/m);
  for (const line of `${sessions}${locks}${said}`.split("\n")) {
    assert.ok(line.length <= 80, line);
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
