/**
 * A subscriber that receives no message; run by idle.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";

// By then the bench has ended or was killed.
setTimeout(() => Deno.exit(), 120_000);
const bus = await openBus({ home: Deno.args[0], session: Deno.args[1] });
const messages = bus.subscribe("state");
await messages.ready;
await messages.next();
