/**
 * Asks the daemon of Codex whether a session that lost its window still has a
 * turn under way. Callers must be able to wait for the answer.
 *
 * Turns that end tell so by a hook, after which the session is idle. One that
 * was interrupted, or that asks its person something, tells nothing.
 *
 * @module
 */

import type { CodexThread } from "../model/process.ts";
import { askDaemon, type DaemonAnswer } from "./codex_socket.ts";

/** Whether the turn of a thread that lost its window is over. */
export async function isTurnOver({ home, id }: CodexThread): Promise<boolean> {
  return isOver(await askDaemon(home, "thread/read", { threadId: id }));
}

/** Whether an answer to `thread/read` says that no turn goes on by itself. */
export function isOver(answer: DaemonAnswer | undefined): boolean {
  // A daemon that does not answer may be at work: the lease decides.
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
