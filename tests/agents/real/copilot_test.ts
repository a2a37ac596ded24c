/**
 * GitHub Copilot CLI works beside another session.
 *
 * @module
 */

import { testRealAgent } from "./real_agent.ts";

const OPTIONS = ["--allow-all-tools"];

await testRealAgent({
  name: "copilot",
  configure: () => Promise.resolve(),
  env: (url) => ({
    COPILOT_PROVIDER_BASE_URL: `${url}/v1`,
    COPILOT_PROVIDER_API_KEY: "none",
    COPILOT_MODEL: "scripted",
    COPILOT_OFFLINE: "true",
  }),
  start: (prompt) => ["copilot", ...OPTIONS, "-p", prompt],
  resume: (prompt) => ["copilot", ...OPTIONS, "--continue", "-p", prompt],
  read: (path) => ({ tool: "view", input: { path } }),
  edit: (path) => ({
    tool: "edit",
    input: { path, old_str: "one", new_str: "two" },
  }),
  create: (path) => ({ tool: "create", input: { path, file_text: "two\n" } }),
  shell: (command) => ({
    tool: "bash",
    input: {
      command,
      description: "write",
      sessionId: "s1",
      async: false,
      mode: "sync",
      initial_wait: 5,
    },
  }),
});
