/**
 * The command `mbus`: the bus from a shell.
 *
 * ```sh
 * mbus tail state
 * mbus send state '{"status":"working"}'
 * ```
 *
 * `mbus help` lists the commands. Each is loaded only when it is called, as
 * agents call this program at every step they take.
 *
 * @module
 */

import { main } from "./lib/cli/main.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
