/**
 * Tool calls: the folder, paths and command that each agent's call names.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES, type AgentName } from "../../lib/hooks/agents/agent.ts";
import type { ToolCall } from "../../lib/hooks/agents/agent.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
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

/** Tools of MCP servers and of newer agents, by name and fields. */
const UNKNOWN: readonly (readonly [
  string,
  Readonly<Record<string, unknown>>,
  Partial<ToolCall>,
])[] = [
  ["mcp__serena__replace_content", { relative_path: "a" }, {
    kind: "edit",
    paths: ["a"],
  }],
  ["mcp__serena__create_text_file", { relative_path: "a", content: "b" }, {
    kind: "edit",
    paths: ["a"],
  }],
  ["mcp__serena__insert_after_symbol", { relative_path: "a" }, {
    kind: "edit",
    paths: ["a"],
  }],
  ["mcp__serena__rename_symbol", { relative_path: "a", new_name: "b" }, {
    kind: "edit",
    paths: ["a"],
  }],
  ["mcp__serena__read_file", { relative_path: "a" }, {
    kind: "read",
    paths: ["a"],
  }],
  ["mcp__serena__find_symbol", { relative_path: "a" }, {
    kind: "other",
    paths: [],
  }],
  ["mcp__serena__execute_shell_command", { command: "rm a", cwd: "src" }, {
    kind: "shell",
    paths: [],
    command: "rm a",
    folder: "src",
  }],
  ["mcp__serena__write_memory", { memory_name: "m", content: "c" }, {
    kind: "other",
    paths: [],
  }],
  ["mcp__filesystem__write_file", { path: "/p/a", content: "b" }, {
    kind: "edit",
    paths: ["/p/a"],
  }],
  ["mcp__filesystem__edit_file", { path: "/p/a", edits: [{ oldText: "x" }] }, {
    kind: "edit",
    paths: ["/p/a"],
  }],
  ["mcp__filesystem__move_file", { source: "a", destination: "b" }, {
    kind: "edit",
    paths: ["a", "b"],
  }],
  ["mcp__filesystem__copy_file", { source: "a", destination: "b" }, {
    kind: "edit",
    paths: ["b"],
  }],
  ["mcp__filesystem__create_directory", { path: "/p/new" }, {
    kind: "other",
    paths: [],
  }],
  ["mcp__filesystem__read_multiple_files", { paths: ["a", "b"] }, {
    kind: "read",
    paths: ["a", "b"],
  }],
  ["mcp__filesystem__directory_tree", { path: "/p" }, {
    kind: "other",
    paths: [],
  }],
  // A verb in the server's name is not the tool's.
  ["mcp__file-edit__list_files", { path: "/p" }, { kind: "other", paths: [] }],
  ["mcp__read__frobnicate", { path: "/p/a" }, {
    kind: "other",
    paths: ["/p/a"],
  }],
  // A file of a remote repository is not on this machine.
  ["mcp__github__create_or_update_file", { owner: "o", repo: "r", path: "a" }, {
    kind: "other",
    paths: [],
  }],
  ["mcp_filesystem_write_file", { path: "a" }, { kind: "edit", paths: ["a"] }],
  ["filesystem-edit_file", { path: "a" }, { kind: "edit", paths: ["a"] }],
  ["MCP:write_file", { path: "a" }, { kind: "edit", paths: ["a"] }],
  ["replaceStringInFile", { filePath: "a" }, { kind: "edit", paths: ["a"] }],
  ["str_replace_based_edit_tool", { command: "view", path: "a" }, {
    kind: "read",
    paths: ["a"],
  }],
  ["str_replace_based_edit_tool", { command: "create", path: "a" }, {
    kind: "edit",
    paths: ["a"],
  }],
  ["find_and_replace", { uri: "file:///p/a%20b.ts" }, {
    kind: "edit",
    paths: ["/p/a b.ts"],
  }],
  ["save_file", { fileUri: "file://host/p/%zz" }, {
    kind: "edit",
    paths: ["/p/%zz"],
  }],
  ["save_file", { uri: "untitled://Untitled-1" }, { kind: "other", paths: [] }],
  ["update_todos", { todos: [{ content: "edit a" }] }, {
    kind: "other",
    paths: [],
  }],
  ["generate", { options: { outputPath: "gen/a.ts" } }, {
    kind: "other",
    paths: ["gen/a.ts"],
  }],
  ["generate", { deep: { er: { path: "a" } } }, { kind: "other", paths: [] }],
];

for (const [name, input, expected] of UNKNOWN) {
  Deno.test(`${name} with ${JSON.stringify(input)} is classified by its words`, () => {
    assert.deepEqual(callOf("claude", name, input), {
      name,
      callId: "call-1",
      ...expected,
    });
  });
}

const KNOWN: readonly (readonly [
  AgentName,
  string,
  Readonly<Record<string, unknown>>,
  Partial<ToolCall>,
])[] = [
  ["claude", "PowerShell", { command: "del a" }, { command: "del a" }],
  ["claude", "Monitor", { command: "tail -f a" }, {
    command: "tail -f a",
    isBackground: true,
  }],
  ["claude", "Bash", { command: "make", run_in_background: true }, {
    command: "make",
    isBackground: true,
  }],
  ["claude", "Bash", { command: "make", run_in_background: false }, {
    command: "make",
  }],
  ["gemini", "run_shell_command", { command: "make", is_background: true }, {
    command: "make",
    isBackground: true,
  }],
  ["qwen", "run_shell_command", { command: "make", is_background: "true" }, {
    command: "make",
    isBackground: true,
  }],
  ["qwen", "monitor", { command: "make" }, {
    command: "make",
    isBackground: true,
  }],
  ["copilot", "powershell", { command: "make", mode: "async" }, {
    command: "make",
    isBackground: true,
  }],
  ["copilot", "bash", { command: "make", mode: "sync" }, { command: "make" }],
  ["copilot", "run_in_terminal", { command: "make", isBackground: true }, {
    command: "make",
    isBackground: true,
  }],
  ["codex", "shell", { command: ["bash", "-lc", "echo a > b"] }, {
    command: "bash -lc 'echo a > b'",
  }],
  ["claude", "Bash", { command: "x".repeat(300_000) }, {
    command: "x".repeat(262_144),
    isCut: true,
  }],
];

for (const [agent, name, input, expected] of KNOWN) {
  const shown = JSON.stringify(input).slice(0, 80);
  Deno.test(`${agent}: ${name} with ${shown} is a shell`, () => {
    const { callId: _, ...call } = callOf(agent, name, input);
    assert.deepEqual(call, { name, kind: "shell", paths: [], ...expected });
  });
}

const VSCODE: readonly (readonly [string, unknown, readonly string[]])[] = [
  ["create_file", { filePath: "/p/a", content: "x" }, ["/p/a"]],
  ["replace_string_in_file", { filePath: "/p/a", oldString: "x" }, ["/p/a"]],
  ["multi_replace_string_in_file", {
    explanation: "e",
    replacements: [{ filePath: "/p/a" }, { filePath: "/p/b" }],
  }, ["/p/a", "/p/b"]],
  ["insert_edit_into_file", { filePath: "/p/a", code: "x" }, ["/p/a"]],
  ["edit_notebook_file", { filePath: "/p/a.ipynb" }, ["/p/a.ipynb"]],
  ["apply_patch", { input: "*** Begin Patch\n*** Add File: /p/a\n+x" }, [
    "/p/a",
  ]],
];

for (const [name, input, paths] of VSCODE) {
  Deno.test(`copilot: ${name} of VS Code is an edit`, () => {
    const call = callOf("copilot", name, input);
    assert.deepEqual([call.kind, call.paths], ["edit", paths]);
  });
}

Deno.test("copilot: an editor that views a file reads it", () => {
  const input = { command: "view", path: "/p/a" };
  assert.equal(callOf("copilot", "str_replace_editor", input).kind, "read");
});

Deno.test("a patch of 5,000 files names them all", () => {
  const paths = Array.from({ length: 5000 }, (_, at) => `src/${at}.ts`);
  const command = "*** Begin Patch\n" +
    paths.map((path) => ` *** Update File: ${path}\n@@\n-a\n+b\n`).join("") +
    "*** End Patch\n";
  const call = callOf("codex", "apply_patch", { command });
  assert.deepEqual(call.paths, paths);
  assert.equal(call.isCut, undefined);
});

Deno.test("a call with more than 10,000 paths says that it is cut", () => {
  const many = Array.from({ length: 10_001 }, (_, at) => `${at}`);
  const inputs = [
    { command: many.map((path) => `*** Add File: ${path}\n+x\n`).join("") },
    { paths: many },
    { edits: many.map((path) => ({ file_path: path })) },
  ];
  for (const input of inputs) {
    const call = callOf("codex", "apply_patch", input);
    assert.equal(call.paths.length, 10_000);
    assert.equal(call.isCut, true);
    const [, ...fewer] = many;
    const whole = callOf("codex", "apply_patch", { paths: fewer });
    assert.equal(whole.paths.length, 10_000);
    assert.equal("isCut" in whole, false);
  }
});
