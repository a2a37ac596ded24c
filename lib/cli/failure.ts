/**
 * What went wrong, in one sentence and one number.
 *
 * An error that the library throws on purpose says itself what was attempted,
 * what stood in the way and what to do; its `kind` is the exit code. Anything
 * else is a fault of the program: it is named without its stack.
 *
 * With `--json` it is one line on standard error:
 * `{ "error": { "name", "kind", "message", "field"?, "fault"? } }`.
 *
 * @module
 */

import { type ErrorKind, MessageBusError } from "../model/errors.ts";
import { EXIT } from "./command.ts";
import { printToStderr } from "./output/output.ts";
import { visible, visibleJson } from "./output/visible_text.ts";

const EXIT_OF: Readonly<Record<ErrorKind, number>> = {
  input: EXIT.usage,
  state: EXIT.refused,
  store: EXIT.unusable,
};

/** What is told of an error, to people and to programs. */
export interface Failure {
  /** The error's class. */
  readonly name: string;
  /** Who can mend it; `program` for a fault of the program itself. */
  readonly kind: ErrorKind | "program";
  /** A sentence with the remedy. */
  readonly message: string;
  /** The argument that is wrong. */
  readonly field?: string;
  /** Why the store cannot be used. */
  readonly fault?: string;
}

/** Tells of an error on standard error; returns the exit code. */
export function reportFailure(error: unknown, json: boolean): number {
  // Whoever reads our output has had enough: that is no failure.
  if (error instanceof Deno.errors.BrokenPipe) return EXIT.done;
  const failure = toFailure(error);
  printToStderr(
    json
      ? visibleJson({ error: failure })
      : `mbus: ${visible(failure.message)}`,
  );
  return failure.kind === "program" ? EXIT.unusable : EXIT_OF[failure.kind];
}

/** Whether a command line asks for JSON, as far as can be told of a wrong one. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end === -1 ? undefined : end).includes("--json");
}

/** What is told of an error. */
export function toFailure(error: unknown): Failure {
  if (error instanceof MessageBusError) {
    const { field, fault } = error as { field?: string; fault?: string };
    return {
      name: error.name,
      kind: error.kind,
      message: error.message,
      ...(field !== undefined && { field }),
      ...(fault !== undefined && { fault }),
    };
  }
  const { name, message } = error instanceof Error
    ? error
    : new Error(String(error));
  return {
    name,
    kind: "program",
    message: `Cannot go on: ${name}: ${message || "no more is known"}; this ` +
      `is a fault in mbus, please report it, with what you did, to whom you ` +
      `have mbus from.`,
  };
}
