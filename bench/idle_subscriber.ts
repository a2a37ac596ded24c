/**
 * A subscriber that nobody speaks to, in a process of its own; run by idle.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";

// By then the bench is over, or was killed.
setTimeout(() => Deno.exit(), 120_000);
const bus = await openBus({ home: Deno.args[0], session: Deno.args[1] });
const messages = bus.subscribe("state");
await messages.ready;
await messages.next();
