/**
 * opencode works beside another session.
 *
 * opencode installs the package that plugins may import, and without a network
 * retries for a minute. So the test installs the package in advance.
 *
 * @module
 */

import { installed } from "./program.ts";
import { testRealAgent } from "./real_agent.ts";

const PLUGIN = { name: "@opencode-ai/plugin", version: "1.18.33" };

await testRealAgent({
  name: "opencode",
  async configure(place, url) {
    const folder = `${place.home}/.config/opencode`;
    const provider = {
      npm: "@ai-sdk/openai-compatible",
      name: "scripted",
      options: { baseURL: `${url}/v1`, apiKey: "none" },
      models: { scripted: { name: "scripted" } },
    };
    await place.configure(
      ".config/opencode/opencode.json",
      JSON.stringify({
        model: "scripted/scripted",
        autoupdate: false,
        provider: { scripted: provider },
      }),
    );
    const modules = await installed(PLUGIN);
    const from = modules.replace(/\/node_modules$/, "");
    for (const file of ["package.json", "package-lock.json"]) {
      await Deno.copyFile(`${from}/${file}`, `${folder}/${file}`);
    }
    await Deno.symlink(modules, `${folder}/node_modules`);
  },
  env: () => ({
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
  }),
  start: (prompt) => ["opencode", "run", prompt],
  resume: (prompt) => ["opencode", "run", "-c", prompt],
  read: (path) => ({ tool: "read", input: { filePath: path } }),
  edit: (path) => ({
    tool: "edit",
    input: { filePath: path, oldString: "one", newString: "two" },
  }),
  create: (path) => ({
    tool: "write",
    input: { filePath: path, content: "two\n" },
  }),
  shell: (command) => ({
    tool: "bash",
    input: { command, description: "write" },
  }),
  endsByHook: false,
});
