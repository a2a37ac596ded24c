/**
 * A bus of the micro-benchmarks' own, in a temporary folder that goes with the
 * process.
 *
 * @module
 */

import { type MessageBus, openBus } from "../mod.ts";

/** A folder of its own; removed when the process ends. */
export function benchFolder(): string {
  const folder = Deno.makeTempDirSync({ prefix: "mbus-bench-" });
  globalThis.addEventListener("unload", () => {
    Deno.removeSync(folder, { recursive: true });
  });
  return folder;
}

/** Opens a bus whose guard against runaway loops is out of the way. */
export async function benchBus(home: string): Promise<MessageBus> {
  const bus = await openBus({
    home,
    session: "bench",
    publishesPerSecondMax: 1e9,
  });
  await bus.sessions.register();
  return bus;
}
