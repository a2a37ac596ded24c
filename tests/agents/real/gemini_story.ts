/**
 * Gemini CLI, as the tests run it.
 *
 * @module
 */

import type { AgentStory } from "./encounter.ts";

const OPTIONS = ["-m", "gemini-2.5-pro", "--yolo"];

/** How it is run, and what its tools are called. */
export const STORY: AgentStory = {
  name: "gemini",
  configure: (place) =>
    place.configure(
      ".gemini/settings.json",
      JSON.stringify({
        security: { auth: { selectedType: "gemini-api-key" } },
        // After thirty turns it would ask the model whether it goes round.
        model: { disableLoopDetection: true },
      }),
    ),
  env: (url) => ({
    GOOGLE_GEMINI_BASE_URL: url,
    GEMINI_API_KEY: "none",
    GEMINI_CLI_TRUST_WORKSPACE: "true",
  }),
  start: (prompt) => ["gemini", ...OPTIONS, "-p", prompt],
  goOn: (prompt) => ["gemini", ...OPTIONS, "--resume", "latest", "-p", prompt],
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
