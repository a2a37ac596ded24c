/**
 * Codex, as the tests run it.
 *
 * Its tools are those of a model that it knows: for another it has no
 * `apply_patch`. That it does not ask the person to approve our hooks is told
 * on the command line, because the test has no person. What is switched off would
 * only wait for the network.
 *
 * @module
 */

import type { AgentStory } from "./encounter.ts";
import type { Turn } from "./wire.ts";

const OPTIONS = ["--dangerously-bypass-hook-trust"];

/** How it is run, and what its tools are called. */
export const STORY: AgentStory = {
  name: "codex",
  configure: (place, url) =>
    place.configure(
      ".codex/config.toml",
      `model = "gpt-5.5"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "${url}/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"

[analytics]
enabled = false

[features]
plugins = false
apps = false
shell_snapshot = false
`,
    ),
  env: () => ({ SCRIPTED_KEY: "none" }),
  start: (prompt) => ["codex", "exec", ...OPTIONS, prompt],
  goOn: (prompt) => ["codex", "exec", ...OPTIONS, "resume", "--last", prompt],
  read: (path) => shell(`cat ${path}`),
  edit: (path, from = "one", to = "two") =>
    patch(`*** Update File: ${nameOf(path)}\n@@\n-${from}\n+${to}\n`),
  create: (path) => patch(`*** Add File: ${nameOf(path)}\n+two\n`),
  shell,
};

function shell(cmd: string): Turn {
  return { tool: "exec_command", input: { cmd } };
}

function patch(text: string): Turn {
  const whole = `*** Begin Patch\n${text}*** End Patch\n`;
  return { tool: "apply_patch", text: whole };
}

/** Its models name files from the working folder. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
