/**
 * Process entries: names that try to break the parser, ancestors, terminals, and
 * `ps` in place of `/proc`.
 */

import assert from "node:assert/strict";
import { ancestors } from "../lib/process/host.ts";
import {
  ANCESTORS_MAX,
  processEntry,
  processStart,
} from "../lib/process/processes.ts";
import { outputOf } from "../lib/process/permissions.ts";
import { parseStat } from "../lib/process/procfs.ts";
import { parsePs, psEntries, psEntry } from "../lib/process/ps.ts";
import { terminalText } from "./terminal_text.ts";
import { until } from "./waiting.ts";
import { program, sleeper, valueOf, works } from "./probe.ts";

const LINUX = Deno.build.os === "linux";
const SCRIPT = LINUX && works("script", "-qec", "true", "/dev/null");
const PS = works("ps", "-p", "1");

Deno.test({
  name: "a process whose name looks like the next fields is parsed correctly",
  ignore: !LINUX,
  async fn() {
    const folder = await Deno.makeTempDir();
    const name = "a) Z 1 (\nb) X";
    try {
      await Deno.copyFile("/bin/sleep", `${folder}/${name}`);
      const child = new Deno.Command(`${folder}/${name}`, { args: ["1000"] })
        .spawn();
      const entry = processEntry(child.pid);
      child.kill("SIGKILL");
      await child.status;
      assert.equal(entry?.command, name);
      assert.equal(entry?.ppid, Deno.pid);
      assert.match(entry?.state ?? "", /^[RSD]$/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("parseStat() returns the fields of /proc/‹pid›/stat as in the manual", () => {
  const rest = Array.from({ length: 30 }, (_, i) => `${100 + i}`).join(" ");
  const entry = parseStat(`4711 (bash) S 4700 11 4699 34819 4711 ${rest}\n`);
  assert.equal(entry?.pid, 4711);
  assert.equal(entry?.ppid, 4700);
  assert.equal(entry?.session, 4699);
  assert.equal(entry?.tty, "pts/3");
  // The ninth field is the first of the rest; the start time is the 22nd field.
  assert.equal(entry?.startTime, `${100 + 22 - 9}`);
  assert.equal(parseStat(""), undefined);
  assert.equal(parseStat("4711 (bash) S 4700"), undefined);
});

for (
  const [device, name] of [
    [0, ""],
    [34816, "pts/0"],
    // Minor numbers above 255 have their high bits elsewhere.
    [(136 << 8) | 0x2c | (0x1 << 20), "pts/300"],
    [1025, "tty1"],
    [(4 << 8) | 65, "ttyS1"],
    [(229 << 8) | 0, "229:0"],
  ] as const
) {
  Deno.test(`the terminal with device number ${device} is "${name}"`, () => {
    const line = `1 (sh) S 0 1 1 ${device} ${"0 ".repeat(40)}`;
    assert.equal(parseStat(line)?.tty, name);
  });
}

Deno.test({
  name:
    "a child's start time is not earlier than its parent's, and is constant",
  ignore: !LINUX,
  async fn() {
    await using child = sleeper();
    const start = processStart(child.pid);
    assert.ok(Number(start) >= Number(processStart(Deno.pid)));
    assert.equal(processStart(child.pid), start);
  },
});

Deno.test({
  name: "ancestors() yields the parent first",
  ignore: !LINUX,
  async fn() {
    const seen = await valueOf<{ pid: number; command: string }[]>(
      "[...host.ancestors()].map(({ pid, command }) => ({ pid, command }))",
      // The shell stays, because another command follows.
      { wrapper: ["sh", "-c", '"$@"; exit $?', "sh"] },
    );
    assert.equal(seen[0].command, "sh");
    assert.equal(seen[1].pid, Deno.pid);
    assert.deepEqual(
      seen.slice(2).map(({ pid }) => pid),
      [...ancestors()].map(({ pid }) => pid),
    );
  },
});

Deno.test({
  name: `ancestors() yields at most ${ANCESTORS_MAX} processes`,
  ignore: !LINUX,
  async fn() {
    const script = 'n=$1; shift; if [ "$n" -gt 0 ]; then ' +
      'sh -c "$SCRIPT" sh $((n - 1)) "$@"; else "$@"; fi; exit $?';
    const seen = await valueOf<string[]>(
      "[...host.ancestors()].map(({ command }) => command)",
      {
        wrapper: [
          "env",
          `SCRIPT=${script}`,
          "sh",
          "-c",
          script,
          "sh",
          `${ANCESTORS_MAX}`,
        ],
      },
    );
    assert.deepEqual(seen, Array(ANCESTORS_MAX).fill("sh"));
  },
});

Deno.test("an absent process has no entry and no ancestors", () => {
  assert.equal(processEntry(4_000_000), undefined);
  assert.deepEqual([...ancestors(4_000_000)], []);
  assert.deepEqual([...ancestors(-1)], []);
});

Deno.test({
  name: "the arguments and the executable of a process are read on access",
  ignore: !LINUX,
  async fn() {
    await using child = sleeper();
    // The parent continues before the arguments are those of the new program.
    await until(
      "it to be another program",
      () => processEntry(child.pid)?.arguments.at(-1) === "1000",
    );
    const entry = processEntry(child.pid);
    assert.match(entry?.arguments[0] ?? "", /(^|\/)sleep$/);
    assert.deepEqual(entry?.arguments.slice(1), ["1000"]);
    assert.match(entry?.executable ?? "", /^\/.*\/(sleep|coreutils)$/);
  },
});

Deno.test({
  name: "a process whose file is replaced keeps its executable's name",
  ignore: !LINUX,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.copyFile("/bin/sleep", `${folder}/copilot`);
      const child = new Deno.Command(`${folder}/copilot`, { args: ["1000"] })
        .spawn();
      await Deno.remove(`${folder}/copilot`);
      const file = processEntry(child.pid)?.executable;
      child.kill("SIGKILL");
      await child.status;
      assert.equal(file, `${await Deno.realPath(folder)}/copilot`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "the leader of a terminal's session is its shell (needs script)",
  ignore: !SCRIPT,
  async fn() {
    await using probe = await program(
      `const leader = host.terminalLeader();
       console.log(JSON.stringify({
         leader,
         start: host.processStart(leader?.pid ?? 0),
         parent: Deno.ppid,
       }));`,
    );
    const line = `'${Deno.execPath()}' run --quiet --no-config --no-lock -A ` +
      `'${probe.file}'; exit $?`;
    const { stdout } = await new Deno.Command("script", {
      args: ["-qec", line, "/dev/null"],
      stdin: "null",
    }).output();
    const seen = JSON.parse(terminalText(stdout));
    assert.equal(seen.leader.pid, seen.parent);
    assert.equal(seen.leader.startTime, seen.start);
    assert.match(seen.leader.tty, /^pts\/\d+$/);
  },
});

Deno.test({
  name: "terminalLeader() returns undefined without a terminal",
  ignore: !works("setsid", "true"),
  async fn() {
    const seen = await valueOf("host.terminalLeader() ?? null", {
      wrapper: ["setsid", "--wait"],
    });
    assert.equal(seen, null);
  },
});

Deno.test("parsePs() parses the output of macOS", () => {
  const [shell, agent, ended] = parsePs(
    `  501   500 ttys003  Ss   Sun Nov  2 17:59:51 2026     -zsh\n` +
      ` 4711   501 ttys003  S+   Sun Nov 22 18:00:01 2026     node /opt/homebrew/bin/gemini --yolo\n` +
      `not a process\n` +
      ` 4712  4711 ??       Z    Sun Nov 22 18:00:02 2026     <defunct>\n`,
  );
  assert.equal(shell.session, 501);
  assert.equal(shell.tty, "ttys003");
  assert.deepEqual(agent, {
    pid: 4711,
    ppid: 501,
    startTime: "Sun Nov 22 18:00:01 2026",
    state: "S",
    command: "node",
    session: 0,
    tty: "ttys003",
    arguments: ["node", "/opt/homebrew/bin/gemini", "--yolo"],
    executable: "node",
  });
  assert.equal(ended.state, "Z");
  assert.equal(ended.tty, "");
});

Deno.test({
  name: "ps and /proc agree on a process (needs ps)",
  ignore: !LINUX || !PS,
  async fn() {
    await using child = sleeper();
    const told = psEntry(child.pid);
    const read = processEntry(child.pid);
    assert.ok(told !== undefined && read !== undefined);
    for (const field of ["pid", "ppid", "command", "tty"] as const) {
      assert.equal(told[field], read[field], field);
    }
    assert.deepEqual(told.arguments, read.arguments);
    assert.deepEqual(psEntries().get(child.pid), told);
    assert.equal(psEntry(4_000_000), undefined);
  },
});

Deno.test({
  name:
    "psEntry() returns one start time in all zones and languages (needs ps)",
  ignore: !PS,
  async fn() {
    await using child = sleeper();
    const module = new URL("../lib/process/ps.ts", import.meta.url).href;
    const elsewhere = await valueOf(
      `(await import(${
        JSON.stringify(module)
      })).psEntry(${child.pid}).startTime`,
      { wrapper: ["env", "TZ=Asia/Tokyo", "LC_ALL=de_DE.UTF-8"] },
    );
    assert.equal(elsewhere, psEntry(child.pid)?.startTime);
  },
});

Deno.test({
  name: "outputOf() returns undefined for a command that fails or is missing",
  ignore: Deno.build.os === "windows",
  fn() {
    assert.equal(outputOf("sh", ["-c", "echo all"]), "all\n");
    assert.equal(outputOf("sh", ["-c", "echo half; exit 1"]), undefined);
    assert.equal(outputOf("/not/there", []), undefined);
  },
});
