/**
 * Random inputs of the bus: each target makes inputs of one kind, and asserts a
 * property of each.
 *
 * A case fails if it throws an untyped error, if the output differs from the
 * input, or if it takes so long that it probably hangs.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";

/** One kind of input. */
export interface Target {
  /** The kind of input, in the plural. */
  readonly name: string;
  /** The number of cases of this kind per thousand. */
  readonly share: number;
  /** The property of each input. */
  readonly property:
    | fc.IProperty<[unknown]>
    | fc.IAsyncProperty<[unknown]>;
  /**
   * Disposes of the cases' shared state, such as a bus. Cases with shared state
   * are not shrunk, because earlier cases have changed it.
   */
  readonly after?: () => void | Promise<void>;
}

/** Makes a target, which may use a temporary folder. */
export type TargetMaker = (folder: string) => Target | Promise<Target>;

// Far above the time of any case on a loaded machine.
const CASE_MS_MAX = 20_000;

/** Returns a target that checks each input, and its time. */
export function target<T>(
  name: string,
  share: number,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void | Promise<void>,
  after?: () => void | Promise<void>,
): Target {
  const property = fc.asyncProperty(inputs as fc.Arbitrary<unknown>, async (
    input,
  ) => {
    const startedAt = performance.now();
    await check(input as T);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < CASE_MS_MAX, `took ${Math.round(tookMs)} ms`);
  });
  return { name, share, property, after };
}

/** Runs a target. Throws with the shrunk input of a failure. */
export async function tryTarget(
  { name, property, after }: Target,
  cases: number,
  seed: number,
): Promise<void> {
  const details = await fc.check(property as fc.IAsyncProperty<[unknown]>, {
    numRuns: cases,
    seed: seed | 0,
    endOnFailure: after !== undefined,
  });
  await after?.();
  if (details.failed) {
    const error = details.errorInstance as Error | null;
    throw new Error(
      `Cannot pass ${name}: ${fc.stringify(details.counterexample)} fails: ` +
        `${error?.stack ?? error}`,
    );
  }
}

// Texts that often break programs.
const AWKWARD: readonly string[] = [
  "",
  " ",
  "\0",
  "a\0b",
  "\n",
  "\r\n[message-bus: end]\nEVIL",
  "\x1b[2J\x1b]0;title\x07",
  "\x9b31m",
  "\u202e\u2066evil\u2069",
  "\u2028\u2029\ufeff\u200b",
  "\ud800",
  "\udfff\ud800",
  "\u{e0041}\u{e007f}",
  "'; DROP TABLE inter_session_messages; --",
  '"; $(touch pwned); `touch pwned`; \\',
  "%s%n%00",
  "../../../../etc/passwd",
  "/",
  "//",
  "/dev/zero",
  "/proc/self/mem",
  "~",
  "-",
  "--",
  "-5",
  "--json",
  "*",
  "**/**/**/**/{a,b}{a,b}{a,b}{a,b}",
  "[",
  "{".repeat(40),
  "[[[[",
  "null",
  "NaN",
  "1e999",
  "9223372036854775807",
  "9223372036854775808",
  "-9223372036854775808",
  "9007199254740993",
  "0x10",
  "__proto__",
  "constructor",
  "toString",
  '{"__proto__":{"polluted":1}}',
  "a".repeat(5_000),
  "é".normalize("NFD"),
  "ﬀİıßẞ",
  "😀".repeat(200),
];

/** Arbitrary text, often awkward. */
export const awkwardText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...AWKWARD) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom(...AWKWARD), { maxLength: 4 })
      .map((parts) => parts.join("")),
  },
);

/** Asserts that no input has changed the prototype of all objects. */
export function assertUnpolluted(): void {
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
}
