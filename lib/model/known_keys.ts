/**
 * Refusal of unknown keys in a caller's options.
 *
 * `deno run` does not check types. So a mistyped option is an error here, instead
 * of an option that has no effect.
 *
 * @module
 */

import { nearestName } from "../text/spelling.ts";
import { InvalidInputError } from "./errors.ts";

/** Keys of `Options`. The compiler refuses a missing and an additional one. */
export type KeysOf<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Throws if options have a key that is not known.
 *
 * @param act Attempted act, such as `publish on "state"`.
 * @throws {InvalidInputError} If `options` is not an object, or has another key.
 */
export function assertKnownKeys<Options extends object>(
  act: string,
  options: Options,
  known: KeysOf<Options>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new InvalidInputError(
      "options",
      `Cannot ${act}: ${JSON.stringify(options) ?? typeof options} is not an ` +
        `object. Pass an object with any of ${namesIn(known)}.`,
    );
  }
  // Inherited keys count, because reading an option finds them too.
  for (const key in options) {
    if (Object.hasOwn(known, key)) continue;
    const nearest = nearestName(key, Object.keys(known));
    throw new InvalidInputError(
      key,
      `Cannot ${act}: the key ${JSON.stringify(key)} is unknown. ` +
        (nearest === undefined ? "" : `Did you mean "${nearest}"? `) +
        `Pass only ${namesIn(known)}.`,
    );
  }
}

function namesIn(known: object): string {
  return Object.keys(known).join(", ");
}
