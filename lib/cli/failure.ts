/**
 * Errors as a message on standard error and an exit code.
 *
 * The `kind` of a library error decides the exit code. Any other error is an
 * internal one: its message is printed without its stack.
 *
 * JSON, on standard error:
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

/** Description of an error, for people and for programs. */
export interface Failure {
  /** Class of the error. */
  readonly name: string;
  /** Kind of a library error; `program` for an internal error. */
  readonly kind: ErrorKind | "program";
  /** Message with the remedy. */
  readonly message: string;
  /** Name of the wrong argument. */
  readonly field?: string;
  /** Reason why the store cannot be used. */
  readonly fault?: string;
}

/** Prints an error on standard error; returns the exit code. */
export function reportFailure(error: unknown, json: boolean): number {
  // The reader of our output has closed its pipe, as `head` does.
  if (error instanceof Deno.errors.BrokenPipe) return EXIT.done;
  const failure = toFailure(error);
  printToStderr(
    json
      ? visibleJson({ error: failure })
      : `mbus: ${visible(failure.message)}`,
  );
  return failure.kind === "program" ? EXIT.unusable : EXIT_OF[failure.kind];
}

/** Returns whether a command line asks for JSON, even if it is invalid. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end === -1 ? undefined : end).includes("--json");
}

/** Returns the description of an error. */
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
    message: `Internal error: ${name}: ${message || "no message"}. This is a ` +
      `bug in mbus. Please report it with the command that you ran.`,
  };
}
