/**
 * The bus of the micro-benchmarks, in a temporary folder.
 *
 * @module
 */

import { type MessageBus, openBus } from "../mod.ts";

/** Returns a new temporary folder, which is removed when the process ends. */
export function benchFolder(): string {
  const folder = Deno.makeTempDirSync({ prefix: "mbus-bench-" });
  globalThis.addEventListener("unload", () => {
    Deno.removeSync(folder, { recursive: true });
  });
  return folder;
}

/** Opens a bus without a limit on messages per second. */
export async function benchBus(home: string): Promise<MessageBus> {
  const bus = await openBus({
    home,
    session: "bench",
    publishesPerSecondMax: 1e9,
  });
  await bus.sessions.register();
  return bus;
}
