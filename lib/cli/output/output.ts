/**
 * Writing to standard output and standard error.
 *
 * What is printed has left this process when the call is over: whoever
 * acknowledges a message after it was printed has not lost it. A pipe whose
 * reader has gone throws `Deno.errors.BrokenPipe`, which ends the command
 * quietly.
 *
 * Every line of others' text leaves through here, and a model may read it in its
 * agent's shell. So what could open a tag or look like our frame's mark is
 * defused here, whether or not the command has thought of it. What would act
 * on a terminal is the command's to show (`visible`): it adds colours of its own.
 *
 * @module
 */

import { withoutTags } from "../../text/harmless_text.ts";
import { visibleJson } from "./visible_text.ts";

const utf8 = new TextEncoder();

/** Prints a line. */
export function printLine(line: string): void {
  writeSync(Deno.stdout, withoutTags(line));
}

/** Prints a line of a file, whose tags are its own. */
export function printCode(line: string): void {
  writeSync(Deno.stdout, line);
}

/** Prints a value as a line of JSON. */
export function printJson(value: unknown): void {
  writeSync(Deno.stdout, visibleJson(value));
}

/** Prints a line of what is not the command's result. */
export function printToStderr(line: string): void {
  try {
    writeSync(Deno.stderr, withoutTags(line));
  } catch {
    // Nobody is left to be told.
  }
}

/**
 * Prints a line without stopping what else goes on, such as signals: a reader
 * that does not read may take for ever.
 */
export async function printLineAsync(line: string): Promise<void> {
  let bytes = utf8.encode(`${withoutTags(line)}\n`);
  while (bytes.length > 0) {
    bytes = bytes.subarray(await Deno.stdout.write(bytes));
  }
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
      // A pipe that another program has set to not block is full.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
