/**
 * Environment of a command in the shell of a Codex with a shared daemon.
 *
 * The command inherits the variables of the window that started the daemon. They
 * are replaced by those of the thread's own window before the command reads them.
 *
 * @module
 */

import type { BelowDaemon } from "../hooks/codex_daemon.ts";

let below: BelowDaemon | undefined;

/** Returns the Codex thread that runs this command, if it runs in a daemon. */
export function threadBelowDaemon(): BelowDaemon | undefined {
  return below;
}

/** Corrects the environment if a thread in a daemon runs this command. */
export async function settleEnvironment(): Promise<void> {
  const id = Deno.env.get("CODEX_THREAD_ID");
  const user = Deno.env.get("HOME");
  const home = Deno.env.get("CODEX_HOME") || (user && `${user}/.codex`);
  if (!id || !home) return;
  const { hasDaemon } = await import("../hooks/agents/codex.ts");
  if (!hasDaemon(home)) return;
  const { belowDaemon } = await import("../hooks/codex_daemon.ts");
  below = await belowDaemon(home, id, "never");
}
