/**
 * Gemini generateContent, the format of Gemini CLI.
 *
 * @module
 */

import {
  type JsonRecord,
  plainEvents,
  recordsIn,
  textsNamed,
  type Turn,
  type Wire,
} from "./wire.ts";

/** The wire format of Gemini generateContent. */
export const geminiWire: Wire = {
  path: /^\/v1beta\/models\/[^/:]+:streamGenerateContent$/,
  turnsBefore(body: JsonRecord): number {
    return recordsIn(body.contents)
      .filter(({ role }) => role === "model").length;
  },
  toolNames(body: JsonRecord): string[] {
    const functions = recordsIn(body.tools)
      .flatMap((tool) => recordsIn(tool.functionDeclarations));
    return textsNamed("name", functions);
  },
  stream(turn: Turn): string {
    return plainEvents([{
      candidates: [{
        index: 0,
        content: { role: "model", parts: [partOf(turn)] },
        finishReason: "STOP",
      }],
      usageMetadata: {
        promptTokenCount: 1,
        candidatesTokenCount: 1,
        totalTokenCount: 2,
      },
    }]);
  },
};

function partOf(turn: Turn): JsonRecord {
  if ("say" in turn) return { text: turn.say };
  const args = "input" in turn ? turn.input : { text: turn.text };
  return { functionCall: { name: turn.tool, args } };
}
