/**
 * A program that loads the library and opens nothing; run by idle.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";

// By then the bench has ended or was killed.
setTimeout(() => Deno.exit(), 120_000);
if (typeof openBus !== "function") Deno.exit(1);
