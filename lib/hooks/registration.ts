/**
 * Finds or registers the session of a hook's caller.
 *
 * ```text
 *  its name or id ─▶ known, and its process is the caller's ─▶ that session
 *        └─ otherwise, or at a start ─▶ the agent's process is found ─▶ registered
 * ```
 *
 * - A name from `MBUS_SESSION` takes precedence over the agent's own id, because
 *   the agent's shell has the variable, too.
 * - The registered pid is the agent's own, never the hook's or its shell's. An
 *   unrecognised agent lives by its heartbeat, and the process that ran its hook
 *   identifies it.
 * - A thread below the shared daemon of Codex has its window's process.
 * - Another living process with the same id (a session that was resumed twice)
 *   is `id~2`, and its process identifies it.
 * - The project and branch are read at the start and at each prompt only, because
 *   reading them is slow. So a shell that changes folder does not move its session.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import { replaceInvisible } from "../text/harmless_text.ts";
import {
  ancestors,
  callingProcess,
  nearestAgent,
  windowProcess,
} from "../process/host.ts";
import { isNearestAncestor, processEntry } from "../process/processes.ts";
import { type Project, projectOf } from "../path/project.ts";
import { headAt } from "../path/repository.ts";
import { isNameChoosable } from "../rules/names.ts";
import type { ActivityState, Incarnation, Session } from "../model/session.ts";
import type { Keeper, KeeperProcess } from "../model/process.ts";
import { AGENT_NAMES, type AgentName, type HookEvent } from "./agents/agent.ts";
import type { BelowDaemon } from "./codex_daemon.ts";

const INCARNATIONS_MAX = 100;

/** The process of a hook's caller. */
interface CallerProcess {
  /** The agent's own process, if it is recognised. */
  readonly process?: KeeperProcess;
  /** A further process that keeps the session alive, or identifies it. */
  readonly keeper?: Keeper;
}

/**
 * Returns the session of an event, and registers it if it is new. Returns
 * undefined for a late event of an ended session.
 *
 * @param below The calling thread, if it runs below a daemon of Codex.
 */
export async function sessionOf(
  event: HookEvent,
  store: Operations,
  below?: BelowDaemon,
): Promise<Session | undefined> {
  const id = sessionId(event.sessionId);
  const enter = () =>
    register(id, event, store, callerProcess(event.agent, below));
  if (event.kind === "session-start") return await enter();
  const known = await knownSession(id, event.agent, store, below);
  if (known === undefined) {
    const isOver = event.kind === "session-end" ||
      (event.kind === "stop" || event.kind === "after-tool") &&
        (await store.session(id))?.status === "terminated";
    return isOver ? undefined : await enter();
  }
  if (event.kind === "prompt" && hasMoved(known, placeOf(event))) {
    return await enter();
  }
  return known;
}

function callerProcess(
  agent: AgentName,
  below: BelowDaemon | undefined,
): CallerProcess {
  if (below !== undefined) {
    return { process: below.process, keeper: { codex: below.thread } };
  }
  const nearest = nearestAgent();
  // An agent that another agent started has a process of its own.
  if (nearest?.vendor === agent) {
    const { pid, startTime, keeper } = windowProcess(nearest);
    return { process: { pid, startTime }, ...(keeper && { keeper }) };
  }
  const caller = callingProcess();
  return caller === undefined || caller.pid === nearest?.pid
    ? {}
    : { keeper: { caller } };
}

/** Returns this process's session among all with the id. */
async function knownSession(
  id: string,
  agent: AgentName,
  store: Operations,
  below: BelowDaemon | undefined,
): Promise<Session | undefined> {
  for (let n = 1; n <= INCARNATIONS_MAX; n++) {
    const session = await store.session(n === 1 ? id : `${id}~${n}`);
    if (session === undefined) return undefined;
    if (session.status === "terminated" || session.vendor !== agent) continue;
    if (session.pid === undefined ? n === 1 : isCallers(session, below)) {
      return session;
    }
  }
}

/**
 * Whether a session's process is that of the hook's caller. Ignores that another
 * host may have the same pid and start time by chance.
 */
function isCallers(session: Session, below: BelowDaemon | undefined): boolean {
  const { pid = 0, processStart = "", keeper } = session;
  if (keeper?.codex?.id !== below?.thread.id) return false;
  if (below !== undefined) {
    return pid === below.process.pid &&
      processStart === below.process.startTime;
  }
  const { pid: own, startTime } = keeper?.caller ??
    { pid, startTime: processStart };
  return isNearestAncestor(own, startTime);
}

function isAncestor({ pid, processStart }: Session): boolean {
  for (const entry of ancestors()) {
    if (entry.pid === pid && entry.startTime === processStart) return true;
  }
  return false;
}

async function register(
  id: string,
  event: HookEvent,
  store: Operations,
  { process, keeper }: CallerProcess,
): Promise<Session> {
  const before = await store.session(id);
  const place = placeOf(event);
  const goesOn = event.kind === "session-start" && before !== undefined &&
    before.status !== "terminated" && before.worktree === place.worktree;
  return await store.registerSession({
    id,
    wishedName: keeper?.codex === undefined ? namedByEnvironment() : undefined,
    vendor: event.agent,
    model: event.model,
    tty: process === undefined ? undefined : processEntry(process.pid)?.tty,
    pid: process?.pid,
    processStart: process?.startTime,
    keeper,
    replaces: replacedBy(before, keeper),
    activity: { state: activityAt(event) },
    ...place,
    // The row keeps the old branch, so that the session is told of the new one.
    branch: goesOn ? before.branch : place.branch,
  });
}

/** Returns the state of a session that registers; a compaction is work. */
function activityAt(event: HookEvent): ActivityState {
  const isStart = event.kind === "session-start" && event.source !== "compact";
  return isStart || event.kind === "stop" ? "idle" : "working";
}

/**
 * Returns the name in `MBUS_NAME`, if it can be chosen. A daemon of Codex keeps the
 * variables of its first window.
 */
function namedByEnvironment(): string | undefined {
  const name = Deno.env.get("MBUS_NAME");
  return name && isNameChoosable(name) ? name : undefined;
}

/**
 * Returns the session that the caller replaces. A thread of Codex may move to
 * another window. A shell or script may start an agent under its own name.
 */
function replacedBy(
  before: Session | undefined,
  keeper: Keeper | undefined,
): Incarnation | undefined {
  if (before === undefined || before.status === "terminated") return undefined;
  const isSameThread = keeper?.codex !== undefined &&
    before.keeper?.codex?.id === keeper.codex.id;
  const isAgents = (AGENT_NAMES as readonly string[]).includes(before.vendor);
  return isSameThread || !isAgents && isAncestor(before) ? before : undefined;
}

function placeOf(event: HookEvent): Project {
  return projectOf(event.cwd || Deno.cwd());
}

/** Another branch of the same worktree is a change, not a move. */
function hasMoved(session: Session, place: Project): boolean {
  return session.worktree !== place.worktree ||
    session.project !== place.project;
}

/**
 * Whether the session's worktree is on another branch than its row says. A
 * detached HEAD is a branch without a name, so a commit on it changes nothing.
 */
export function hasOtherBranch({ worktree, branch }: Session): boolean {
  const head = worktree === undefined ? undefined : headAt(worktree);
  return head !== undefined && head.branch !== branch;
}

/** Replaces the characters that the bus does not allow in an id. */
function sessionId(id: string): string {
  // Compiling Unicode classes is slow and seldom needed.
  return /^[\w.\-/:~@+]{1,128}$/.test(id) ? id : replaceInvisible(id, () => "_")
    .replace(/[^\p{L}\p{N}._\-/:~@+]/gu, "_").slice(0, 128);
}
