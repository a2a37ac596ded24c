/**
 * Which session of the bus a hook's caller is.
 *
 * ```text
 *  the agent's id ─▶ known, and its process is among our ancestors ─▶ it is that
 *        └─ else, or it starts ─▶ the agent's process is found ─▶ registered
 * ```
 *
 * - The registered pid is the agent's own, never the hook's or its shell's. Where
 *   the agent's process cannot be told, the session has none and lives by its
 *   signs of life.
 * - Another living process with the same id (a session that was resumed twice)
 *   is `id~2`, and found again by its process.
 * - What the session works on is looked up when it starts and at each prompt: a
 *   shell that wanders does not move its session. Looking it up costs more than
 *   all else that a hook does.
 *
 * @module
 */

import { replaceInvisible } from "../harmless_text.ts";
import { ancestors, nearestAgent } from "../host.ts";
import { processEntry } from "../processes.ts";
import { type Project, projectOf } from "../project.ts";
import { headAt } from "../repository.ts";
import type { Session } from "../sessions.ts";
import type { BriefStore } from "../store.ts";
import type { AgentName, HookEvent } from "./agent.ts";

const INCARNATIONS_MAX = 100;

/**
 * The session that an event is of, put on the bus if it is not there yet;
 * undefined where something comes late from one that is over.
 */
export async function sessionOf(
  event: HookEvent,
  store: BriefStore,
): Promise<Session | undefined> {
  const id = sessionId(event.sessionId);
  if (event.kind === "session-start") {
    return await register(id, event, store, await store.session(id));
  }
  const known = await knownSession(id, event.agent, store);
  if (known === undefined) {
    const isOver = event.kind === "session-end" ||
      (event.kind === "stop" || event.kind === "after-tool") &&
        (await store.session(id))?.status === "terminated";
    return isOver ? undefined : await register(id, event, store);
  }
  if (event.kind === "prompt" && hasMoved(known, placeOf(event))) {
    return await register(id, event, store);
  }
  return known;
}

/** The session of this process, among all that have the id. */
async function knownSession(
  id: string,
  agent: AgentName,
  store: BriefStore,
): Promise<Session | undefined> {
  for (let n = 1; n <= INCARNATIONS_MAX; n++) {
    const session = await store.session(n === 1 ? id : `${id}~${n}`);
    if (session === undefined) return undefined;
    if (session.status === "terminated" || session.vendor !== agent) continue;
    if (session.pid === undefined ? n === 1 : isAncestor(session)) {
      return session;
    }
  }
}

/**
 * Whether a session's process is one of those that started us. That a pid and
 * its start are those of another host by chance is left out of account.
 */
function isAncestor({ pid, processStart }: Session): boolean {
  for (const entry of ancestors()) {
    if (entry.pid === pid && entry.startTime === processStart) return true;
  }
  return false;
}

async function register(
  id: string,
  event: HookEvent,
  store: BriefStore,
  before?: Session,
): Promise<Session> {
  const process = nearestAgent();
  // An agent that another agent started is not that one's process.
  const own = process?.vendor === event.agent ? process : undefined;
  const place = placeOf(event);
  const goesOn = before !== undefined && before.status !== "terminated" &&
    before.worktree === place.worktree;
  return await store.registerSession({
    id,
    vendor: event.agent,
    model: event.model,
    tty: own === undefined ? undefined : processEntry(own.pid)?.tty,
    pid: own?.pid,
    processStart: own?.startTime,
    ...place,
    // A session that goes on is told of another branch by its row.
    branch: goesOn ? before.branch : place.branch,
  });
}

function placeOf(event: HookEvent): Project {
  return projectOf(event.cwd || Deno.cwd());
}

/** Another branch of the same worktree is news (`branches.ts`), and no move. */
function hasMoved(session: Session, place: Project): boolean {
  return session.worktree !== place.worktree ||
    session.project !== place.project;
}

/**
 * Whether the session's worktree is on another branch than its row says. A
 * detached head is a branch without a name: commits that move it are no change.
 */
export function hasOtherBranch({ worktree, branch }: Session): boolean {
  const head = worktree === undefined ? undefined : headAt(worktree);
  return head !== undefined && head.branch !== branch;
}

/** An agent's id in the letters that an id may have. */
function sessionId(id: string): string {
  // Compiling Unicode classes takes a third of a millisecond: seldom needed.
  return /^[\w.\-/:~@+]{1,128}$/.test(id) ? id : replaceInvisible(id, () => "_")
    .replace(/[^\p{L}\p{N}._\-/:~@+]/gu, "_").slice(0, 128);
}
