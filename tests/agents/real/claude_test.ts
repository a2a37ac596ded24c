/**
 * Claude Code meets another session.
 *
 * @module
 */

import { testRealAgent } from "./real_agent.ts";

const OPTIONS = [
  "--permission-mode",
  "acceptEdits",
  "--allowedTools",
  "Bash",
  "--model",
  "claude-sonnet-4-5",
];

await testRealAgent({
  name: "claude",
  configure: () => Promise.resolve(),
  env: (url) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: "none",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  }),
  start: (prompt) => ["claude", "-p", prompt, ...OPTIONS],
  goOn: (prompt) => ["claude", "-p", prompt, "--continue", ...OPTIONS],
  read: (path) => ({ tool: "Read", input: { file_path: path } }),
  edit: (path) => ({
    tool: "Edit",
    input: { file_path: path, old_string: "one", new_string: "two" },
  }),
  create: (path) => ({
    tool: "Write",
    input: { file_path: path, content: "two\n" },
  }),
  shell: (command) => ({
    tool: "Bash",
    input: { command, description: "write" },
  }),
});
