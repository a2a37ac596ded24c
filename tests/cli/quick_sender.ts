/**
 * Sends the quick way or not at all, and says which: `quick` or `left`.
 *
 * @module
 */

import { sendQuickly } from "../../lib/cli/quick_send.ts";

const sent = sendQuickly(Deno.args, Date.now());
console.log(sent === undefined ? "left" : "quick");
