/**
 * Qwen Code works beside another session.
 *
 * @module
 */

import { testRealAgent } from "./real_agent.ts";

await testRealAgent({
  name: "qwen",
  configure: (place) =>
    place.configure(
      ".qwen/settings.json",
      JSON.stringify({ security: { auth: { selectedType: "openai" } } }),
    ),
  env: (url) => ({
    OPENAI_BASE_URL: `${url}/v1`,
    OPENAI_API_KEY: "none",
    OPENAI_MODEL: "scripted",
  }),
  start: (prompt) => ["qwen", "--yolo", "-p", prompt],
  resume: (prompt) => ["qwen", "--yolo", "--continue", "-p", prompt],
  read: (path) => ({ tool: "read_file", input: { file_path: path } }),
  edit: (path) => ({
    tool: "edit",
    input: { file_path: path, old_string: "one", new_string: "two" },
  }),
  create: (path) => ({
    tool: "write_file",
    input: { file_path: path, content: "two\n" },
  }),
  shell: (command) => ({
    tool: "run_shell_command",
    input: { command, description: "write", is_background: false },
  }),
  endsByHook: false,
});
