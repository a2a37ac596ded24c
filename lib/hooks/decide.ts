/**
 * The decision core: what happens at each event, the same for all agents.
 *
 * | event | what is done | what the model may be told |
 * | --- | --- | --- |
 * | session start | registered (before the decision) | greeting, pending context |
 * | prompt | marked at work | pending context |
 * | before a tool | edits judged and locked, shell writes too | a denial |
 * | before an unknown tool | the files that it names are stamped | |
 * | after a tool | reads and edits noted, overwritten files found | pending context |
 * | stop | marked idle | pending context, if the policy holds the agent |
 * | session end | ended: locks and claims are released | |
 * | report | marked in need of its person, at work or idle | |
 *
 * Only the readers of shell commands are loaded on demand: for other code, a
 * further file costs more than the code in it.
 *
 * @module
 */

import type { CallNote } from "./call_note.ts";
import type {
  ActivityEvent,
  AfterToolEvent,
  BeforeToolEvent,
} from "./agents/agent.ts";
import {
  ALLOW,
  atWork,
  BACKGROUND,
  callKey,
  type HookContext,
  type HookResult,
  lastCallNotes,
  noteNeed,
  readNote,
} from "./hook_context.ts";
import type { SessionChange } from "../model/session.ts";
import { noteBranches } from "./branches.ts";
import { afterEdit, afterRead, beforeEdit } from "./edits.ts";
import { withDueGreeting, withGreeting } from "./greeting.ts";
import { plainName } from "./frame.ts";
import {
  withPendingContext,
  withPendingContextAtStop,
} from "./pending_context.ts";
import { hasOtherBranch } from "./registration.ts";

// A session is shown as stale after 30 s without a heartbeat.
const HEARTBEAT_MS = 5_000;

/** Decides on one call of a hook. */
export async function decide(hook: HookContext): Promise<HookResult> {
  const { event, store, session } = hook;
  if (event.kind !== "before-tool") await checkRunning(hook);
  switch (event.kind) {
    case "session-start":
      await noteBranch(hook);
      return await withGreeting(hook, await withPendingContext(hook));
    case "prompt":
      await sendHeartbeat(hook, AT_WORK);
      await noteBranch(hook);
      return await withDueGreeting(hook, await withPendingContext(hook));
    case "before-tool":
      return await beforeTool(hook, event);
    case "after-tool":
      await afterTool(hook, event);
      return await withPendingContext(hook);
    case "stop": {
      const result = await withPendingContextAtStop(hook);
      const stays = "continueWith" in result.decision ||
        event.agentId !== undefined;
      await sendHeartbeat(hook, stays ? await atWork(hook) : AT_REST);
      return result;
    }
    case "activity":
      await noteReport(hook, event);
      return ALLOW;
    case "session-end":
      await store.endSession(session.id);
      return ALLOW;
    case "other":
      return ALLOW;
  }
}

async function beforeTool(
  hook: HookContext,
  event: BeforeToolEvent,
): Promise<HookResult> {
  const { kind, paths, command } = event.tool;
  if (kind === "edit") return await beforeEdit(hook, paths);
  if (kind === "shell" && command !== undefined) {
    const { beforeShell } = await import("./command_check.ts");
    return await beforeShell(hook, command);
  }
  if (kind === "other" && paths.length > 0) {
    const { beforeUnknown } = await import("./before_call.ts");
    await beforeUnknown(hook, paths);
  }
  return ALLOW;
}

async function afterTool(
  hook: HookContext,
  event: AfterToolEvent,
): Promise<void> {
  const { kind, paths, command } = event.tool;
  if (kind === "edit" && paths.length > 0) await afterEdit(hook, paths);
  else if (kind === "read" && paths.length > 0) await afterRead(hook, paths);
  else if (kind === "shell" && command !== undefined) {
    const { afterShell } = await import("./command_check.ts");
    await afterShell(hook, command);
  } else {
    if (kind === "other" && paths.length > 0) await afterUnknown(hook, event);
    await sendHeartbeat(hook, await atWork(hook));
  }
}

/** Stores a report of the agent. Rest of a subagent changes nothing. */
async function noteReport(
  hook: HookContext,
  { state, why, agentId }: ActivityEvent,
): Promise<void> {
  if (state === "needs-person") await noteNeed(hook, why);
  else if (state === "working") await sendHeartbeat(hook, await atWork(hook));
  else if (agentId === undefined) await sendHeartbeat(hook, AT_REST);
}

/** Announces the changes of a tool whose effect is unknown. */
async function afterUnknown(
  hook: HookContext,
  event: AfterToolEvent,
): Promise<void> {
  const note = await readNote<CallNote>(hook, callKey(hook));
  if (note === undefined) return;
  const { afterCall } = await import("./after_call.ts");
  await afterCall(hook, note, `call of ${plainName(event.tool.name)}`);
}

/** Checks commands of the session that run in the background. */
async function checkRunning(hook: HookContext): Promise<void> {
  const { store, session } = hook;
  const notes = await store.readNotes(session.id, [BACKGROUND]);
  const running = notes.get(BACKGROUND);
  if (running === undefined) return;
  const { checkBackground } = await import("./background.ts");
  await checkBackground(hook, running);
}

/** Tells the sessions of the worktree if its branch has changed. */
async function noteBranch(hook: HookContext): Promise<void> {
  if (!hasOtherBranch(hook.session)) return;
  await noteBranches(hook, []);
}

const AT_WORK: SessionChange = {
  status: "active",
  activity: { state: "working" },
};

const AT_REST: SessionChange = { status: "idle", activity: { state: "idle" } };

/** Sends the session's heartbeat, unless it is recent and nothing changes. */
async function sendHeartbeat(
  hook: HookContext,
  change: SessionChange,
): Promise<void> {
  const { session, nowMs, store } = hook;
  const silentMs = nowMs - Date.parse(session.heartbeatAt);
  const { status, activity = session.activity } = change;
  const isSame = session.status === status &&
    session.activity?.state === activity?.state;
  if (isSame && silentMs >= 0 && silentMs < HEARTBEAT_MS) return;
  const notes = new Map(lastCallNotes(hook));
  await store.noteActivity(session.id, { change, notes });
}
