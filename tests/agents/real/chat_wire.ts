/**
 * OpenAI Chat Completions, the format of Qwen Code, kimi-code, Copilot CLI and
 * opencode.
 *
 * @module
 */

import {
  isRecord,
  type JsonRecord,
  plainEvents,
  recordsIn,
  textsNamed,
  type Turn,
  type Wire,
} from "./wire.ts";

/** The wire format of OpenAI Chat Completions. */
export const chatWire: Wire = {
  path: /^\/v1\/chat\/completions$/,
  turnsBefore(body: JsonRecord): number {
    return recordsIn(body.messages)
      .filter(({ role }) => role === "assistant").length;
  },
  toolNames(body: JsonRecord): string[] {
    const functions = recordsIn(body.tools)
      .map((tool) => tool.function).filter(isRecord);
    return textsNamed("name", functions);
  },
  stream(turn: Turn, callId: string): string {
    const base = {
      id: `chatcmpl-${callId}`,
      object: "chat.completion.chunk",
      created: 0,
      model: "scripted",
    };
    const reason = "say" in turn ? "stop" : "tool_calls";
    const events = plainEvents([
      { ...base, choices: [choiceOf(deltaOf(turn, callId), null)] },
      { ...base, choices: [choiceOf({}, reason)] },
      { ...base, choices: [], usage: USAGE },
    ]);
    return `${events}data: [DONE]\n\n`;
  },
};

const USAGE: JsonRecord = {
  prompt_tokens: 1,
  completion_tokens: 1,
  total_tokens: 2,
};

function choiceOf(delta: JsonRecord, finish: string | null): JsonRecord {
  return { index: 0, delta, finish_reason: finish };
}

function deltaOf(turn: Turn, callId: string): JsonRecord {
  if ("say" in turn) return { role: "assistant", content: turn.say };
  const input = "input" in turn ? turn.input : { text: turn.text };
  return {
    role: "assistant",
    content: null,
    tool_calls: [{
      index: 0,
      id: callId,
      type: "function",
      function: { name: turn.tool, arguments: JSON.stringify(input) },
    }],
  };
}
