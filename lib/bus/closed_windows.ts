/**
 * Sessions of Codex whose window is closed. Their turn may go on in the daemon. The
 * daemon is asked here, because no store can do that within a transaction.
 *
 * @module
 */

import { processAlive } from "../process/host.ts";
import type { HostedProcess } from "../model/process.ts";
import type { Operations } from "./operations.ts";

/** Session and its process. */
export interface WindowedSession {
  /** Id of the session. */
  readonly id: string;
  /** Process of the session; absent if it has none. */
  readonly process?: HostedProcess;
}

/**
 * Ends sessions whose window is closed and whose turn has ended; returns whether
 * any session was ended.
 */
export async function endClosedWindows(
  operations: Pick<Operations, "endSession">,
  sessions: readonly WindowedSession[],
): Promise<boolean> {
  let ended = false;
  for (const { id, process } of sessions) {
    if (process === undefined || !isWindowClosed(process)) continue;
    const { isTurnOver } = await import("../hooks/codex_turn.ts");
    if (!await isTurnOver(process.keeper!.codex!)) continue;
    const { pid, startTime: processStart } = process;
    await operations.endSession(id, { pid, processStart });
    ended = true;
  }
  return ended;
}

/** Returns whether the window is closed, so that only the daemon knows the turn. */
export function isWindowClosed(process: HostedProcess): boolean {
  const { keeper, ...window } = process;
  return keeper?.codex !== undefined &&
    processAlive(process, process.host) === "unknown" &&
    processAlive(window, process.host) === "dead";
}
