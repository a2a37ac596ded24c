/**
 * Gemini CLI meets another session.
 *
 * @module
 */

import { testRealAgent } from "./real_agent.ts";

const OPTIONS = ["-m", "gemini-2.5-pro", "--yolo"];

await testRealAgent({
  name: "gemini",
  configure: (place) =>
    place.configure(
      ".gemini/settings.json",
      JSON.stringify({
        security: { auth: { selectedType: "gemini-api-key" } },
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
  edit: (path) => ({
    tool: "replace",
    input: {
      file_path: path,
      instruction: "change one to two",
      old_string: "one",
      new_string: "two",
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
});
