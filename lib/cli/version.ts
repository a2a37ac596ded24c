/**
 * Version of the program.
 *
 * JSON: `{ name, version, deno }`.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { EXIT } from "./declaration.ts";
import { printJson, printLine } from "./output/output.ts";

/** Prints the version; returns the exit code. */
export function printVersion(json: boolean): number {
  const { name, version } = config;
  const deno = Deno.version.deno;
  if (json) printJson({ name, version, deno });
  else printLine(`mbus ${version} (Deno ${deno})`);
  return EXIT.done;
}
