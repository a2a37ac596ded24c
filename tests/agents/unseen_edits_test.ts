/**
 * Edits that a hook once missed: by tools of MCP servers and of VS Code, by
 * indented patches, and by commands in a folder that the call names. Each is
 * denied while another session holds the file, and passes on a free file.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { AgentName } from "../../lib/hooks/agents/agent.ts";
import { respondToInput } from "../../lib/hooks/hook.ts";
import { readHookLog } from "../../lib/hooks/hook_log.ts";
import { openBus } from "../../mod.ts";
import { eventAt, inputOf, type Tool } from "./calls.ts";

const PATCH = "*** Begin Patch\n*** Add File: new.ts\n+x\n" +
  "\t*** Update File: %F\n@@\n-1\n+2\n*** End Patch";

/** A tool and its input, in which `%F` stands for the file. */
type Edit = readonly [AgentName, string, Readonly<Record<string, unknown>>];

const EDITS: readonly Edit[] = [
  ["claude", "mcp__serena__replace_content", { relative_path: "%F" }],
  ["claude", "mcp__filesystem__write_file", { path: "%F", content: "x" }],
  ["claude", "mcp__filesystem__move_file", {
    source: "new.ts",
    destination: "%F",
  }],
  ["claude", "mcp__serena__execute_shell_command", { command: "rm %F" }],
  ["claude", "PowerShell", { command: "echo 2 > %F" }],
  ["codex", "mcp__filesystem__edit_file", { path: "%F", edits: [] }],
  ["codex", "apply_patch", { command: PATCH }],
  ["gemini", "mcp_filesystem_write_file", { path: "%F" }],
  ["kimi", "mcp__filesystem__write_file", { path: "%F" }],
  ["qwen", "mcp__filesystem__write_file", { path: "%F" }],
  ["qwen", "monitor", { command: "echo 2 > %F" }],
  ["copilot", "filesystem-write_file", { path: "%F" }],
  ["copilot", "multi_replace_string_in_file", {
    replacements: [{ filePath: "new.ts" }, { filePath: "%F" }],
  }],
  ["copilot", "run_in_terminal", { command: "echo 2 > %F" }],
  ["cursor", "MCP:write_file", { path: "%F" }],
  ["opencode", "filesystem_write_file", { path: "%F" }],
  ["opencode", "apply_patch", { patchText: PATCH }],
  ["droid", "ApplyPatch", { input: PATCH }],
  ["droid", "filesystem___write_file", { path: "%F" }],
  ["droid", "Execute", { command: "echo 2 > %F", fireAndForget: true }],
  // In the folder that the call names.
  ["claude", "Bash", { command: "echo 2 > a.ts", cwd: "src" }],
  ["codex", "exec_command", { cmd: "echo 2 > a.ts", workdir: "src" }],
  ["gemini", "run_shell_command", {
    command: "echo 2 > a.ts",
    dir_path: "src",
  }],
  ["qwen", "run_shell_command", { command: "echo 2 > a.ts", directory: "src" }],
  ["kimi", "Bash", { command: "echo 2 > a.ts", cwd: "src" }],
  ["cursor", "Shell", { command: "echo 2 > a.ts", working_directory: "src" }],
  ["opencode", "bash", { command: "echo 2 > a.ts", workdir: "src" }],
];

for (const [agent, name, given] of EDITS) {
  const shown = JSON.stringify(given).slice(0, 60);
  Deno.test(`${agent}: ${name} with ${shown} is denied on a held file only`, async () => {
    const root = Deno.realPathSync(Deno.makeTempDirSync());
    try {
      const project = `${root}/project`;
      const home = `${root}/bus`;
      for (const folder of [".git", "src"]) {
        Deno.mkdirSync(`${project}/${folder}`, { recursive: true });
      }
      Deno.writeTextFileSync(`${project}/.git/HEAD`, "ref: refs/heads/x\n");
      Deno.writeTextFileSync(`${project}/src/a.ts`, "1\n");
      const input: unknown = JSON.parse(
        JSON.stringify(given).replaceAll("%F", "src/a.ts"),
      );
      const answer = () => answerTo(agent, { name, input }, project, home);
      await using bus = await openBus({ home, session: "A", project });
      await bus.sessions.register();
      const held = await bus.locks.acquire(`${project}/src/a.ts`, {
        type: "exclusive",
      });
      assert.match(await answer(), /holds exclusively/);
      await held.release();
      assert.doesNotMatch(await answer(), /holds|deny/);
      assert.deepEqual(readHookLog(home, 10), []);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  });
}

/** Returns the hook's response to session "B" before a tool. */
async function answerTo(
  agent: AgentName,
  tool: Tool,
  cwd: string,
  home: string,
): Promise<string> {
  const call = { point: "before-edit", session: "B", cwd } as const;
  let output = "";
  await respondToInput(agent, {
    read: () => JSON.stringify(inputOf(agent, call, tool)),
    write: (text) => void (output += text),
  }, { home, event: eventAt(agent, call.point) });
  return output;
}
