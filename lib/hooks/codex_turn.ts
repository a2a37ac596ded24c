/**
 * Asks the daemon of Codex whether a session without a window still has a turn
 * under way. Callers must be able to wait for the answer.
 *
 * A turn that ends calls a hook, after which the session is idle. A turn that
 * was interrupted, or that asks its person a question, calls none.
 *
 * @module
 */

import type { CodexThread } from "../model/process.ts";
import { askDaemon, type DaemonAnswer } from "./codex_socket.ts";

/** Whether the turn of a thread without a window has ended. */
export async function isTurnOver({ home, id }: CodexThread): Promise<boolean> {
  return isOver(await askDaemon(home, "thread/read", { threadId: id }));
}

/** Whether an answer to `thread/read` says that no turn goes on by itself. */
export function isOver(answer: DaemonAnswer | undefined): boolean {
  // A daemon that does not answer may be busy: then the lease decides.
  if (answer === undefined) return false;
  if ("refusal" in answer) {
    return /thread not (loaded|found)/.test(answer.refusal);
  }
  const { status } = (answer.result as {
    thread?: { status?: { type?: unknown; activeFlags?: unknown } };
  } | null)?.thread ?? {};
  if (status?.type === "idle" || status?.type === "notLoaded") return true;
  const flags = status?.activeFlags;
  return status?.type === "active" && Array.isArray(flags) &&
    flags.some((flag) => String(flag).startsWith("waitingOn"));
}
