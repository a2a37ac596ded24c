/**
 * kimi-code works beside another session.
 *
 * Its model gets a hook's context only with a prompt, and a hook's reason for a
 * denial.
 *
 * @module
 */

import { testRealAgent } from "./real_agent.ts";

await testRealAgent({
  name: "kimi",
  configure: (place, url) =>
    place.configure(
      ".kimi-code/config.toml",
      `default_model = "scripted"

[providers.scripted]
type = "openai"
base_url = "${url}/v1"
api_key = "none"

[models.scripted]
provider = "scripted"
model = "scripted"
max_context_size = 100000
`,
    ),
  env: () => ({}),
  start: (prompt) => ["kimi", "-p", prompt],
  resume: (prompt) => ["kimi", "-c", "-p", prompt],
  read: (path) => ({ tool: "Read", input: { path } }),
  edit: (path) => ({
    tool: "Edit",
    input: { path, old_string: "one", new_string: "two" },
  }),
  create: (path) => ({ tool: "Write", input: { path, content: "two\n" } }),
  shell: (command) => ({
    tool: "Bash",
    input: { command, description: "write" },
  }),
  readsAfterTool: false,
  endsByHook: false,
});
