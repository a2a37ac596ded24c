/**
 * Sessions that lost their window: whether their turn goes on is asked of the
 * daemon that runs it, which no store can do within a transaction.
 *
 * @module
 */

import { processAlive } from "../process/host.ts";
import type { HostedProcess } from "../model/process.ts";
import type { Operations } from "./operations.ts";

/** A session, and the process by which it is judged. */
export interface MaybeLeft {
  /** Its id. */
  readonly id: string;
  /** Its process; absent if it has none. */
  readonly process?: HostedProcess;
}

/**
 * Ends those among some sessions whose window died and whose turn is over; returns
 * whether one was ended.
 */
export async function endLeft(
  operations: Pick<Operations, "endSession">,
  sessions: readonly MaybeLeft[],
): Promise<boolean> {
  let ended = false;
  for (const { id, process } of sessions) {
    if (process === undefined || !isLeft(process)) continue;
    const { isTurnOver } = await import("../hooks/codex_turn.ts");
    if (!await isTurnOver(process.keeper!.codex!)) continue;
    const { pid, startTime: processStart } = process;
    await operations.endSession(id, { pid, processStart });
    ended = true;
  }
  return ended;
}

/** Whether only its daemon knows if a session whose window died goes on. */
export function isLeft(process: HostedProcess): boolean {
  const { keeper, ...window } = process;
  return keeper?.codex !== undefined &&
    processAlive(process, process.host) === "unknown" &&
    processAlive(window, process.host) === "dead";
}
