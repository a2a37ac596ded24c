/**
 * OpenAI Responses, the format of Codex.
 *
 * A turn of the model is one item of the history: a message or a call. A tool
 * with one plain text, such as `apply_patch`, is a custom tool.
 *
 * @module
 */

import {
  type JsonRecord,
  recordsIn,
  textsNamed,
  type Turn,
  typedEvents,
  type Wire,
} from "./wire.ts";

const CALLS: readonly unknown[] = ["function_call", "custom_tool_call"];

/** The wire format of OpenAI Responses. */
export const responsesWire: Wire = {
  path: /^\/v1\/responses$/,
  turnsBefore(body: JsonRecord): number {
    return recordsIn(body.input).filter(({ type, role }) =>
      CALLS.includes(type) || (type === "message" && role === "assistant")
    ).length;
  },
  toolNames(body: JsonRecord): string[] {
    return textsNamed("name", recordsIn(body.tools));
  },
  stream(turn: Turn, callId: string): string {
    const item = itemOf(turn, callId);
    const id = `resp_${callId}`;
    return typedEvents([
      { type: "response.created", response: { id } },
      { type: "response.output_item.added", output_index: 0, item },
      { type: "response.output_item.done", output_index: 0, item },
      { type: "response.completed", response: { id, usage: USAGE } },
    ]);
  },
};

const USAGE: JsonRecord = {
  input_tokens: 1,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 1,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 2,
};

function itemOf(turn: Turn, callId: string): JsonRecord {
  if ("say" in turn) {
    return {
      type: "message",
      id: `msg_${callId}`,
      role: "assistant",
      content: [{ type: "output_text", text: turn.say, annotations: [] }],
    };
  }
  const call = { id: `item_${callId}`, call_id: callId, name: turn.tool };
  return "text" in turn
    ? { type: "custom_tool_call", ...call, input: turn.text }
    : {
      type: "function_call",
      ...call,
      arguments: JSON.stringify(turn.input),
    };
}
