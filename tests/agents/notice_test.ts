/**
 * A denial's sentence for the person, in the field that the agent shows.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { AgentName } from "../../lib/hooks/agents/agent.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { inputOf } from "./calls.ts";
import { NOTIFY } from "./golden.ts";

const REASON = 'held by "codex-7f3a"';
const NOTICE = "codex-7f3a holds a.ts";
const CLAUDE_FORM = {
  hookSpecificOutput: {
    hookEventName: "PreToolUse",
    permissionDecision: "deny",
    permissionDecisionReason: REASON,
  },
};

const ANSWERS: Partial<Record<AgentName, unknown>> = {
  claude: { ...CLAUDE_FORM, systemMessage: NOTICE },
  codex: { ...CLAUDE_FORM, systemMessage: NOTICE },
  qwen: { ...CLAUDE_FORM, systemMessage: NOTICE },
  gemini: { decision: "deny", reason: REASON, systemMessage: NOTICE },
  opencode: { deny: REASON, notice: NOTICE },
  // These agents have no such field.
  kimi: CLAUDE_FORM,
  droid: CLAUDE_FORM,
  copilot: { permissionDecision: "deny", permissionDecisionReason: REASON },
};

for (const [name, answer] of Object.entries(ANSWERS)) {
  const agent = AGENTS[name as AgentName];
  Deno.test(`${name}: a denial shows its notice if the agent has a field for it`, () => {
    const call = { point: "before-edit", session: "s", cwd: "/p" } as const;
    const input = inputOf(agent.name, { ...call, path: "/p/a.ts" });
    const event = agent.parse(input, () => undefined, "preToolUse");
    assert.deepEqual(JSON.parse(agent.render(event, NOTIFY).output), answer);
    const empty = { ...NOTIFY, notice: "" };
    const { notice: _, ...without } = empty;
    assert.deepEqual(
      agent.render(event, empty).output,
      agent.render(event, without).output,
    );
  });
}
