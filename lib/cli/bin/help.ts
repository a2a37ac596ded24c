/**
 * Entry program of `mbus help` and `mbus version` without arguments. It loads the
 * table of commands, and no command.
 *
 * @module
 */

import { endProcess } from "../exit.ts";
import { printLine } from "../output/output.ts";
import { overviewLines } from "../overview.ts";
import { printVersion } from "../version.ts";

if (import.meta.main) {
  try {
    const isVersion = /^(version|--version|-V)$/.test(Deno.args[0]);
    if (isVersion) printVersion(false);
    else printLine(overviewLines().join("\n"));
    endProcess(0);
  } catch (error) {
    const { reportFailure } = await import("../failure.ts");
    endProcess(reportFailure(error, false));
  }
}
