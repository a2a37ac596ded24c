/**
 * `mbus send`, past the rest of the command line: scripts and agents call it
 * often, so nothing is loaded that it does not use.
 *
 * @module
 */

import { endProcess } from "./ending.ts";
import { asksForJson, reportFailure } from "./failure.ts";
import send from "./send.ts";

if (import.meta.main) {
  try {
    endProcess(await send.execute(Deno.args));
  } catch (error) {
    endProcess(reportFailure(error, asksForJson(Deno.args)));
  }
}
