/**
 * A process that opens a bus, publishes, and forgets to close it.
 *
 * @module
 */

import { openBus } from "../../mod.ts";

const bus = await openBus({ home: Deno.args[0] });
await bus.publish("state", "here");
await bus.poll("state");
console.log(bus.session);
