/**
 * Writes to standard output and standard error.
 *
 * A line has left this process when the call returns, so a command may then
 * acknowledge its message. A pipe whose reader has gone throws
 * `Deno.errors.BrokenPipe`, which ends the command without an error. Any other
 * failure is an {@linkcode OutputError}, because the act of the command is done.
 *
 * A model may read these lines in its agent's shell, so text that could open a tag
 * or forge our frame's mark is escaped here. Commands escape control characters
 * themselves (`visible`), because they add colours.
 *
 * @module
 */

import { MessageBusError } from "../../model/errors.ts";
import { withoutTags } from "../../text/harmless_text.ts";
import { visibleJson } from "./visible_text.ts";

const utf8 = new TextEncoder();

/** Standard output that takes no more text, as on a full disk. */
class OutputError extends MessageBusError {
  constructor(cause: Error) {
    super(
      "OutputError",
      "store",
      `Cannot print the result: standard output fails (${cause.message}). ` +
        `Redirect it, and check the bus before you repeat the command.`,
      { cause },
    );
  }
}

/** Prints a line. */
export function printLine(line: string): void {
  writeSync(Deno.stdout, withoutTags(line));
}

/** Prints a line of a file as it is, with its tags. */
export function printCode(line: string): void {
  writeSync(Deno.stdout, line);
}

/** Prints a value as a line of JSON. */
export function printJson(value: unknown): void {
  writeSync(Deno.stdout, visibleJson(value));
}

/** Prints a line that is not a result of the command. */
export function printToStderr(line: string): void {
  try {
    writeSync(Deno.stderr, withoutTags(line));
  } catch {
    // Standard error is closed.
  }
}

/**
 * Prints a line without blocking the event loop, because a reader may never read.
 */
export async function printLineAsync(line: string): Promise<void> {
  let bytes = utf8.encode(`${withoutTags(line)}\n`);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(await Deno.stdout.write(bytes));
    } catch (error) {
      throw outputError(error);
    }
  }
}

function outputError(error: unknown): unknown {
  const isPlain = error instanceof Error &&
    !(error instanceof Deno.errors.BrokenPipe);
  return isPlain ? new OutputError(error) : error;
}

function writeSync(
  to: { writeSync(bytes: Uint8Array): number },
  line: string,
): void {
  let bytes = utf8.encode(`${line}\n`);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(to.writeSync(bytes));
    } catch (error) {
      // The pipe is full, and another program has made it non-blocking.
      if (!(error instanceof Deno.errors.WouldBlock)) throw outputError(error);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
