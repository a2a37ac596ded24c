/**
 * `mbus tail`, past the rest of the command line: it stays for as long as
 * somebody looks at it, and all that is loaded stays with it.
 *
 * @module
 */

import { runEntry } from "./run_entry.ts";
import tail from "../commands/tail.ts";

if (import.meta.main) await runEntry(tail);
