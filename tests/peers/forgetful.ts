/**
 * A process that opens a bus, publishes, and ends without closing it.
 *
 * @module
 */

import { openBus } from "../../mod.ts";

const bus = await openBus({ home: Deno.args[0] });
await bus.publish("state", "here");
await bus.poll("state");
console.log(bus.session);
