/**
 * `mbus tail`, past the rest of the command line: it stays for as long as
 * somebody looks at it, and all that is loaded stays with it.
 *
 * @module
 */

import { runEntry } from "./entry.ts";
import tail from "./tail.ts";

if (import.meta.main) await runEntry(tail);
