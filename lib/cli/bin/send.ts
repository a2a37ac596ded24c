/**
 * Entry program of `mbus send`. It loads only modules that it uses, because
 * scripts and agents run it often.
 *
 * @module
 */

import send from "../commands/send.ts";
import { runEntry } from "./run_entry.ts";

if (import.meta.main) await runEntry(send);
