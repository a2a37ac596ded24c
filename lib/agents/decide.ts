/**
 * The decision core: what happens at each point of an agent's work, the same
 * for all agents.
 *
 * | event | what is done | what the model may be told |
 * | --- | --- | --- |
 * | session start | registered (by whoever decides) | its mail |
 * | prompt | at work again | its mail |
 * | before a tool | edits judged and locked, shell writes too | a denial |
 * | after a tool | reads and edits noted, overwritten files found | its mail |
 * | stop | idle | its mail, if the policy holds it |
 * | session end | ended: locks and claims are free | |
 *
 * Only what reads shell commands is loaded when one is to be read: for the rest
 * a file more would cost more than the code in it.
 *
 * @module
 */

import type { AfterToolEvent, BeforeToolEvent } from "./agent.ts";
import { ALLOW, type Case, type Verdict } from "./case.ts";
import { afterEdit, afterRead, beforeEdit } from "./edits.ts";
import { withMail, withMailAtStop } from "./mail.ts";
import { hasOtherBranch } from "./registration.ts";

// A session is shown as stale after 30 s without a sign of life.
const BEAT_MS = 5_000;

/** Decides on one call of a hook. */
export async function decide(hook: Case): Promise<Verdict> {
  const { event, store, session } = hook;
  switch (event.kind) {
    case "session-start":
      await noteBranch(hook);
      return await withMail(hook);
    case "prompt":
      await beat(hook, "active");
      await noteBranch(hook);
      return await withMail(hook);
    case "before-tool":
      return await beforeTool(hook, event);
    case "after-tool":
      await afterTool(hook, event);
      return await withMail(hook);
    case "stop": {
      const verdict = await withMailAtStop(hook);
      const stays = "continueWith" in verdict.decision ||
        event.agentId !== undefined;
      await beat(hook, stays ? "active" : "idle");
      return verdict;
    }
    case "session-end":
      await store.endSession(session.id);
      return ALLOW;
    case "other":
      return ALLOW;
  }
}

async function beforeTool(
  hook: Case,
  event: BeforeToolEvent,
): Promise<Verdict> {
  const { kind, paths, command } = event.tool;
  if (kind === "edit") return await beforeEdit(hook, paths);
  if (kind === "shell" && command !== undefined) {
    const { beforeShell } = await import("./shell_edits.ts");
    return await beforeShell(hook, command);
  }
  return ALLOW;
}

async function afterTool(hook: Case, event: AfterToolEvent): Promise<void> {
  const { kind, paths, command } = event.tool;
  if (kind === "edit" && paths.length > 0) await afterEdit(hook, paths);
  else if (kind === "read" && paths.length > 0) await afterRead(hook, paths);
  else if (kind === "shell" && command !== undefined) {
    const { afterShell } = await import("./shell_edits.ts");
    await afterShell(hook, command);
  } else await beat(hook, "active");
}

/** Tells the sessions of the worktree if it is on another branch. */
async function noteBranch(hook: Case): Promise<void> {
  if (!hasOtherBranch(hook.session)) return;
  const { noteBranches } = await import("./branches.ts");
  await noteBranches(hook, []);
}

/** Gives the session its sign of life, unless it has given one just now. */
async function beat(hook: Case, status: "active" | "idle"): Promise<void> {
  const { session, nowMs, store } = hook;
  const silentMs = nowMs - Date.parse(session.heartbeatAt);
  if (session.status === status && silentMs >= 0 && silentMs < BEAT_MS) return;
  await store.noteActivity(session.id, { change: { status } });
}
