/**
 * A program that loads the library and opens nothing, in a process of its own;
 * run by idle.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";

// By then the bench is over, or was killed.
setTimeout(() => Deno.exit(), 120_000);
if (typeof openBus !== "function") Deno.exit(1);
