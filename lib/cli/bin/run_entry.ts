/**
 * One command as a program of its own.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { endProcess } from "../exit.ts";
import { asksForJson, reportFailure } from "../failure.ts";

/** Runs a command with what follows its name, and ends the process. */
export async function runEntry(command: Command): Promise<void> {
  try {
    endProcess(await command.execute(Deno.args));
  } catch (error) {
    endProcess(reportFailure(error, asksForJson(Deno.args)));
  }
}
