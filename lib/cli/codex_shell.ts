/**
 * A command in the shell of a Codex whose threads run in a shared daemon: its
 * environment is that of the window which started the daemon, and is put right
 * before anything goes by it.
 *
 * @module
 */

import type { BelowDaemon } from "../hooks/codex_daemon.ts";

let below: BelowDaemon | undefined;

/** The thread that runs this command, if it is one below a daemon of Codex. */
export function threadBelowDaemon(): BelowDaemon | undefined {
  return below;
}

/** Puts the environment right, where a thread below a daemon runs this command. */
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
