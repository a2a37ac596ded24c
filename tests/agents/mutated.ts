/**
 * Recorded inputs of every agent, damaged at random.
 *
 * @module
 */

import fc from "fast-check";
import { fixtureNames, readFixture } from "./golden.ts";

/** The folders of recorded inputs, by agent and version. */
export const FOLDERS: readonly string[] = [
  "claude-2.1.330",
  "codex-0.169.0",
  "copilot-1.0.102",
  "droid-0.215.0",
  "gemini-0.61.0",
  "kimi-2.1.0",
  "opencode-1.18.33",
  "qwen-0.24.4",
];

/** The recorded inputs of real agents. */
export const RECORDED: readonly unknown[] = FOLDERS.flatMap((folder) =>
  fixtureNames(folder).map((file) => readFixture(folder, file))
);

/** A recorded input with the value at some path replaced or removed. */
export const mutated: fc.Arbitrary<unknown> = fc.tuple(
  fc.constantFrom(...RECORDED),
  fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
  fc.option(fc.oneof(fc.jsonValue(), fc.constant(null)), { nil: undefined }),
).map(([input, path, value]) => replaced(input, path, value));

function replaced(
  value: unknown,
  path: readonly number[],
  put: unknown,
): unknown {
  if (typeof value !== "object" || value === null) return put;
  const keys = Object.keys(value);
  if (path.length === 0 || keys.length === 0) return put;
  const key = keys[path[0] % keys.length];
  const copy = structuredClone(value) as Record<string, unknown>;
  const inner = replaced(copy[key], path.slice(1), put);
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}
