/**
 * Detects the calling agent by its input.
 *
 * Copilot and Cursor also run the hooks in Claude's settings, with input and
 * responses of their own. A denial in Claude's form would be lost. So the input
 * is searched for marks that only one agent sends. Unclear input belongs to the
 * agent that the command line names.
 *
 * The marks come from captured inputs; Cursor's comes from its documentation:
 * `cursor_version`; Droid's words in `permission_mode`; kimi-code's `client_type`;
 * camel-case `sessionId` with a `timestamp` for Copilot; Gemini's own event names;
 * `turn_id` with `model` for Codex; `timestamp` with `permission_mode` for Qwen; a
 * `timestamp` without `permission_mode` under Claude's event names for Copilot.
 *
 * @module
 */

import type { AgentName } from "./agent.ts";
import { nameField, type Payload, payloadOf } from "./payload.ts";

/** Droid's values of `permission_mode`; no other agent has them. */
const DROID_MODES: readonly string[] = [
  "off",
  "spec",
  "auto-low",
  "auto-medium",
  "auto-high",
];

const GEMINI_EVENTS: readonly string[] = [
  "BeforeTool",
  "AfterTool",
  "BeforeAgent",
  "AfterAgent",
  "BeforeModel",
  "AfterModel",
  "BeforeToolSelection",
  "PreCompress",
];

/**
 * Returns the agent that sent an input.
 *
 * @param input The parsed JSON, or any other value.
 * @returns The agent, or `undefined` if the input has no mark.
 */
export function callingAgent(input: unknown): AgentName | undefined {
  const payload = payloadOf(input);
  const event = nameField(payload, "hook_event_name") ?? "";
  if ("cursor_version" in payload) return "cursor";
  if (nameField(payload, "client_type")?.startsWith("kimi")) return "kimi";
  if ("sessionId" in payload && "timestamp" in payload) return "copilot";
  if ("ev" in payload) return "opencode";
  const mode = nameField(payload, "permission_mode") ?? "";
  if (DROID_MODES.includes(mode)) return "droid";
  if (GEMINI_EVENTS.includes(event)) return "gemini";
  if ("turn_id" in payload && "model" in payload) return "codex";
  if (typeof payload.timestamp !== "string" || event === "") return undefined;
  if ("permission_mode" in payload) return "qwen";
  return isSharedWithGemini(payload, event) ? undefined : "copilot";
}

/** Both agents name start and end alike; only Gemini sends a transcript. */
function isSharedWithGemini(payload: Payload, event: string): boolean {
  return "transcript_path" in payload && event !== "Stop";
}
