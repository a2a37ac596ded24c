/**
 * The story of Gemini CLI.
 *
 * @module
 */

import type { AgentStory } from "./agent_story.ts";

const OPTIONS = ["-m", "gemini-2.5-pro", "--yolo"];

/** The commands and tool calls of Gemini CLI. */
export const STORY: AgentStory = {
  name: "gemini",
  configure: (place) =>
    place.configure(
      ".gemini/settings.json",
      JSON.stringify({
        security: { auth: { selectedType: "gemini-api-key" } },
        // After thirty turns Gemini CLI would ask the model about loops.
        model: { disableLoopDetection: true },
      }),
    ),
  env: (url) => ({
    GOOGLE_GEMINI_BASE_URL: url,
    GEMINI_API_KEY: "none",
    GEMINI_CLI_TRUST_WORKSPACE: "true",
  }),
  start: (prompt) => ["gemini", ...OPTIONS, "-p", prompt],
  resume: (
    prompt,
  ) => ["gemini", ...OPTIONS, "--resume", "latest", "-p", prompt],
  read: (path) => ({ tool: "read_file", input: { file_path: path } }),
  edit: (path, from = "one", to = "two") => ({
    tool: "replace",
    input: {
      file_path: path,
      instruction: "change one to two",
      old_string: from,
      new_string: to,
    },
  }),
  create: (path) => ({
    tool: "write_file",
    input: { file_path: path, content: "two\n" },
  }),
  shell: (command) => ({
    tool: "run_shell_command",
    input: { command, description: "write" },
  }),
};
