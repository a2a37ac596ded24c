/**
 * Tool calls: which folder, paths and command each agent's call names.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES, type AgentName } from "../../lib/agents/agent.ts";
import type { ToolCall } from "../../lib/agents/agent.ts";
import { AGENTS } from "../../lib/agents/roster.ts";
import { inputOf, toolNamesOf } from "./calls.ts";

/** Reads a call of an agent's tool before it runs. */
function callOf(agent: AgentName, name: string, input: unknown): ToolCall {
  const call = { point: "before-shell", session: "ada", cwd: "/p" } as const;
  const event = AGENTS[agent].parse(
    inputOf(agent, call, { name, input }),
    () => undefined,
    agent === "copilot" ? "preToolUse" : undefined,
  );
  assert.ok(event.kind === "before-tool");
  return event.tool;
}

const FOLDERS: readonly (readonly [AgentName, string, string])[] = [
  ["claude", "Bash", "cwd"],
  ["codex", "Bash", "workdir"],
  ["codex", "exec_command", "workdir"],
  ["gemini", "run_shell_command", "dir_path"],
  ["gemini", "run_shell_command", "directory"],
  ["kimi", "Bash", "cwd"],
  ["qwen", "run_shell_command", "directory"],
  ["copilot", "bash", "cwd"],
  ["cursor", "Shell", "working_directory"],
  ["cursor", "Shell", "workingDirectory"],
  ["opencode", "bash", "workdir"],
];

for (const [agent, name, field] of FOLDERS) {
  Deno.test(`${agent}: ${name} names its folder in ${field}`, () => {
    const command = "echo 2 > a.ts";
    const input = { command, [field]: "src" };
    assert.deepEqual(callOf(agent, name, input), {
      ...callOf(agent, name, { command }),
      folder: "src",
    });
  });
}

for (const agent of AGENT_NAMES) {
  Deno.test(`${agent}: a shell call without a usable folder has none`, () => {
    const { shell } = toolNamesOf(agent);
    for (
      const folder of [undefined, "", 7, ["src"], "a\0b", "x".repeat(5000)]
    ) {
      const input = { command: "true", cwd: folder, workdir: folder };
      assert.equal("folder" in callOf(agent, shell, input), false);
    }
  });

  Deno.test(`${agent}: an unknown tool keeps the paths that it names`, () => {
    const call = callOf(agent, "frobnicate", { file_path: "/p/a.ts" });
    assert.deepEqual([call.kind, call.paths], ["other", ["/p/a.ts"]]);
    for (const name of ["Grep", "LS", "list_directory", "searchFiles"]) {
      assert.deepEqual(callOf(agent, name, { path: "/p/a.ts" }).paths, []);
    }
  });
}
