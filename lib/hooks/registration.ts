/**
 * Which session of the bus a hook's caller is.
 *
 * ```text
 *  its name or id ─▶ known, and its process is the caller's ─▶ it is that
 *        └─ else, or it starts ─▶ the agent's process is found ─▶ registered
 * ```
 *
 * - A name from `MBUS_SESSION` comes before the agent's own id: the agent's shell
 *   has the variable, too.
 * - The registered pid is the agent's own, never the hook's or its shell's. An
 *   agent that is not recognised lives by its signs of life, and is known by the
 *   process that ran its hook.
 * - A thread below the shared daemon of Codex has its window's process.
 * - Another living process with the same id (a session that was resumed twice)
 *   is `id~2`, and found again by its process.
 * - What the session works on is looked up when it starts and at each prompt: a
 *   shell that wanders does not move its session. Looking it up costs more than
 *   all else that a hook does.
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
import type { Incarnation, Session } from "../model/session.ts";
import type { Keeper, KeeperProcess } from "../model/process.ts";
import { AGENT_NAMES, type AgentName, type HookEvent } from "./agents/agent.ts";
import type { BelowDaemon } from "./codex_daemon.ts";

const INCARNATIONS_MAX = 100;

/** What a hook's caller is known by. */
interface CallerProcess {
  /** The agent's own process, if it is recognised. */
  readonly process?: KeeperProcess;
  /** What its session lives by, or is known by, beside that. */
  readonly keeper?: Keeper;
}

/**
 * The session that an event is of, put on the bus if it is not there yet;
 * undefined where something comes late from one that is over.
 *
 * @param below The thread that calls, if it is one below a daemon of Codex.
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
  // An agent that another agent started is not that one's process.
  if (nearest?.vendor === agent) {
    const { pid, startTime, keeper } = windowProcess(nearest);
    return { process: { pid, startTime }, ...(keeper && { keeper }) };
  }
  const caller = callingProcess();
  return caller === undefined || caller.pid === nearest?.pid
    ? {}
    : { keeper: { caller } };
}

/** The session of this process, among all that have the id. */
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
 * Whether a session's process is that of the hook's caller. That a pid and its
 * start are those of another host by chance is left out of account.
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
    vendor: event.agent,
    model: event.model,
    tty: process === undefined ? undefined : processEntry(process.pid)?.tty,
    pid: process?.pid,
    processStart: process?.startTime,
    keeper,
    replaces: replacedBy(before, keeper),
    ...place,
    // A session that goes on is told of another branch by its row.
    branch: goesOn ? before.branch : place.branch,
  });
}

/**
 * The process that hands its session on to the caller: a thread of Codex may
 * come to another window, and a shell or script may start an agent under a name
 * that it used itself.
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
