/**
 * Entry program of `mbus tail`. It loads only modules that it uses, because it
 * runs for long and keeps them in memory.
 *
 * @module
 */

import { runEntry } from "./run_entry.ts";
import tail from "../commands/tail.ts";

if (import.meta.main) await runEntry(tail);
