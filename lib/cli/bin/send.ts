/**
 * `mbus send`, past the rest of the command line: scripts and agents call it
 * often, so nothing is loaded that it does not use.
 *
 * @module
 */

import send from "../commands/send.ts";
import { runEntry } from "./run_entry.ts";

if (import.meta.main) await runEntry(send);
