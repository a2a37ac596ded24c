/**
 * The story of Codex.
 *
 * The model has a known name, because Codex offers `apply_patch` only to known
 * models. A command-line option trusts the hooks, because the test has no
 * person to approve them. Features that would wait for the network are off.
 *
 * @module
 */

import type { AgentStory } from "./agent_story.ts";
import type { Turn } from "./wire.ts";

const OPTIONS = ["--dangerously-bypass-hook-trust"];

/** The commands and tool calls of Codex. */
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
  resume: (prompt) => ["codex", "exec", ...OPTIONS, "resume", "--last", prompt],
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

/** Returns the name of a file in the working folder, as a patch has it. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
