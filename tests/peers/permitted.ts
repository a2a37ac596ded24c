/**
 * A program with some of Deno's permissions: locks a file on the bus of the
 * environment. It prints "held", then stays until it is killed; or "blocked".
 *
 * @module
 */

import { LockHeldError, openBus } from "../../mod.ts";

const [path] = Deno.args;
const bus = await openBus({ project: null });
// A second open causes no second warning.
await (await openBus({ project: null })).close();
try {
  await bus.locks.acquire(path, { type: "exclusive" });
  console.log("held");
  setInterval(() => {}, 60_000);
} catch (error) {
  if (!(error instanceof LockHeldError)) throw error;
  console.log("blocked");
  await bus.close();
}
