/**
 * `mbus send`, past the rest of the command line: scripts and agents call it
 * often, so nothing is loaded that it does not use.
 *
 * @module
 */

import { runEntry } from "./entry.ts";
import send from "./send.ts";

if (import.meta.main) await runEntry(send);
