/**
 * Anthropic Messages, the format of Claude Code.
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

/** The wire format of Anthropic Messages. */
export const anthropicWire: Wire = {
  path: /^\/v1\/messages$/,
  turnsBefore(body: JsonRecord): number {
    return recordsIn(body.messages)
      .filter(({ role }) => role === "assistant").length;
  },
  toolNames(body: JsonRecord): string[] {
    return textsNamed("name", recordsIn(body.tools));
  },
  stream(turn: Turn, callId: string): string {
    const { block, delta, reason } = blockOf(turn, callId);
    return typedEvents([
      { type: "message_start", message: messageOf(callId) },
      { type: "content_block_start", index: 0, content_block: block },
      { type: "content_block_delta", index: 0, delta },
      { type: "content_block_stop", index: 0 },
      {
        type: "message_delta",
        delta: { stop_reason: reason, stop_sequence: null },
        usage: { output_tokens: 1 },
      },
      { type: "message_stop" },
    ]);
  },
};

function blockOf(
  turn: Turn,
  callId: string,
): { block: JsonRecord; delta: JsonRecord; reason: string } {
  if ("say" in turn) {
    return {
      block: { type: "text", text: "" },
      delta: { type: "text_delta", text: turn.say },
      reason: "end_turn",
    };
  }
  const input = "input" in turn ? turn.input : { text: turn.text };
  return {
    block: {
      type: "tool_use",
      id: `toolu_${callId}`,
      name: turn.tool,
      input: {},
    },
    delta: { type: "input_json_delta", partial_json: JSON.stringify(input) },
    reason: "tool_use",
  };
}

function messageOf(callId: string): JsonRecord {
  return {
    id: `msg_${callId}`,
    type: "message",
    role: "assistant",
    model: "scripted",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
}
