/**
 * Entry program of a single command.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { endProcess } from "../exit.ts";
import { asksForJson, reportFailure } from "../failure.ts";

/** Runs a command with the process's arguments, and ends the process. */
export async function runEntry(command: Command): Promise<void> {
  try {
    endProcess(await command.execute(Deno.args));
  } catch (error) {
    endProcess(reportFailure(error, asksForJson(Deno.args)));
  }
}
