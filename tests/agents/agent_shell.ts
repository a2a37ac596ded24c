/**
 * Runs an agent's hooks as the real program does: `mbus hook` below a shell below
 * a process that is recognised as the agent.
 *
 * The process is a shell with the process name of that agent. `real/` tests the
 * real programs.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { AgentName } from "../../lib/hooks/agents/agent.ts";
import { type Mbus, ROOT } from "../cli/mbus.ts";
import { eventAt, type HookCall, inputOf } from "./calls.ts";

/** The result of the calls. */
export interface AgentRun {
  /** The pid of the agent's process, which has ended. */
  readonly pid: number;
  /** Start of that process, in clock ticks since boot. */
  readonly processStart: string;
  /** The terminal of the process; empty without one. */
  readonly terminal: string;
  /** The response of each hook. */
  readonly answers: readonly string[];
  /** The sessions before the process ended. */
  readonly sessions: readonly Record<string, unknown>[];
}

/**
 * Runs hooks in sequence in one process of an agent, on a terminal of its own if
 * asked.
 */
export async function runAsAgent(
  mbus: Mbus,
  agent: AgentName,
  calls: readonly (HookCall | Record<string, unknown>)[],
  options: { readonly onTerminal?: boolean } = {},
): Promise<AgentRun> {
  const folder = Deno.makeTempDirSync({ dir: mbus.folder });
  const lines = calls.map((call, n) => {
    const isCall = "point" in call;
    const input = isCall ? inputOf(agent, call as HookCall) : call;
    Deno.writeTextFileSync(`${folder}/${n}.in`, JSON.stringify(input));
    const event = isCall && agent === "copilot"
      ? eventAt(agent, (call as HookCall).point)
      : "";
    // Agents run a hook in a shell of its own, which may stay alive.
    return `/bin/sh -c '"$@"; exit $?' sh "$@" hook ${agent} ${event} ` +
      `< ${folder}/${n}.in > ${folder}/${n}.out`;
  });
  const program = `${folder}/program`;
  Deno.writeTextFileSync(
    program,
    [
      "set -e",
      ...(agent === "opencode" ? ["export OPENCODE_PID=$$"] : []),
      ...lines,
      `"$@" sessions --json --all-projects --ended > ${folder}/sessions`,
      `cat /proc/$$/stat > ${folder}/stat`,
      `tty -s && tty > ${folder}/tty || : > ${folder}/tty`,
      "",
    ].join("\n"),
  );
  const shell = [
    "/bin/bash",
    "-c",
    `exec ${asAgent(agent, folder)} ${scriptOf(agent, folder)} "$@"`,
    "bash",
    Deno.execPath(),
    "run",
    "--quiet",
    "--cached-only",
    "--allow-all",
    `${ROOT}/cli.ts`,
  ];
  const [command, ...args] = options.onTerminal ? onTerminal(shell) : shell;
  const { code, stderr } = await new Deno.Command(command, {
    args,
    cwd: `${mbus.folder}/project`,
    env: mbus.environment({ MBUS_SESSION: undefined }),
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const stat = Deno.readTextFileSync(`${folder}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid: parseInt(stat),
    processStart: fields[19],
    terminal: Deno.readTextFileSync(`${folder}/tty`).trim()
      .replace("/dev/", ""),
    answers: calls.map((_, n) =>
      Deno.readTextFileSync(`${folder}/${n}.out`).trim()
    ),
    sessions: Deno.readTextFileSync(`${folder}/sessions`).split("\n")
      .filter((line) => line !== "").map((line) => JSON.parse(line)),
  };
}

/** Makes a shell with the name of the agent's process. */
function asAgent(agent: AgentName, folder: string): string {
  switch (agent) {
    case "claude":
    case "codex":
    case "copilot":
    case "droid":
      return copyOfShell(`${folder}/${agent}`);
    case "cursor":
      return copyOfShell(`${folder}/cursor-agent`);
    case "kimi":
      return copyOfShell(`${folder}/kimi-code`);
    case "gemini":
    case "qwen":
      return "-a node /bin/bash";
    default:
      return "/bin/bash";
  }
}

function copyOfShell(path: string): string {
  Deno.copyFileSync("/bin/bash", path);
  return path;
}

/** Returns the program's path, by which some agents are recognised. */
function scriptOf(agent: AgentName, folder: string): string {
  if (agent !== "gemini" && agent !== "qwen") return `${folder}/program`;
  Deno.linkSync(`${folder}/program`, `${folder}/${agent}`);
  return `${folder}/${agent}`;
}

/** Returns the same command on a terminal, made by util-linux's `script`. */
function onTerminal(command: readonly string[]): string[] {
  const text = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
    .join(" ");
  return ["script", "--quiet", "--return", "--command", text, "/dev/null"];
}
