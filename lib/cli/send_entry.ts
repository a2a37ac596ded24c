/**
 * `mbus send`, past the rest of the command line: scripts and agents call it
 * often, so nothing is loaded that it does not use.
 *
 * @module
 */

import send from "./send.ts";

if (import.meta.main) {
  try {
    Deno.exit(await send.execute(Deno.args));
  } catch (error) {
    const { asksForJson, reportFailure } = await import("./failure.ts");
    Deno.exit(reportFailure(error, asksForJson(Deno.args)));
  }
}
