/**
 * The story of Claude Code.
 *
 * @module
 */

import type { AgentStory } from "./agent_story.ts";

const OPTIONS = [
  "--permission-mode",
  "acceptEdits",
  "--allowedTools",
  "Bash",
  "--model",
  "claude-sonnet-4-5",
];

/** The commands and tool calls of Claude Code. */
export const STORY: AgentStory = {
  name: "claude",
  configure: () => Promise.resolve(),
  env: (url) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: "none",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  }),
  start: (prompt) => ["claude", "-p", prompt, ...OPTIONS],
  resume: (prompt) => ["claude", "-p", prompt, "--continue", ...OPTIONS],
  read: (path) => ({ tool: "Read", input: { file_path: path } }),
  edit: (path, from = "one", to = "two") => ({
    tool: "Edit",
    input: { file_path: path, old_string: from, new_string: to },
  }),
  create: (path) => ({
    tool: "Write",
    input: { file_path: path, content: "two\n" },
  }),
  shell: (command) => ({
    tool: "Bash",
    input: { command, description: "write" },
  }),
};
