/**
 * Entry program of `mbus statusline`. It loads only modules that it uses, because
 * agents and tmux run it every few seconds.
 *
 * @module
 */

import { runEntry } from "./run_entry.ts";
import statusline from "../commands/statusline.ts";

if (import.meta.main) await runEntry(statusline);
