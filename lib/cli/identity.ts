/**
 * Which session a command acts for.
 *
 * A command's own process ends at once, so it is never the session: that is
 * the agent, or the person's shell, that runs it. In order:
 *
 * 1. `--session`, or `MBUS_SESSION`;
 * 2. the variable that an agent sets for what it runs. Agents start each other
 *    and variables are inherited, so one that is not the nearest agent's own
 *    counts only where no agent can be seen;
 * 3. the nearest ancestor that is registered and has not ended, that ran the
 *    hook of a session, or that is an agent, whichever is nearer: a session
 *    `shell` further out is the person's;
 * 4. the shell that leads the terminal's session, as vendor `shell`;
 * 5. without a terminal the leader of the process session, else the nearest
 *    ancestor that is not a shell run for one command: a script, a service.
 *
 * A session that is registered is joined: its row stays as it is but for the
 * sign of life. It begins anew (under its id, or as `id~2`) if its process is
 * dead, or if another agent resumed it and runs us. Where its process cannot
 * be judged, as in a sandbox, it is joined.
 *
 * Ids that are made here follow from the process, so that two commands that
 * come first at the same time make the same session.
 *
 * @module
 */

import type { AgentProcess } from "../process/host.ts";
import type { Keeper, Life, ProcessIdentity } from "../model/process.ts";
import type { Session } from "../model/session.ts";

/** A session id that an agent hands on in a variable. */
export interface InheritedId {
  /** Whose variable it is. */
  readonly vendor: string;
  /** What it says. */
  readonly id: string;
}

/** The names that sessions are given from outside. */
export interface GivenNames {
  /** `--session` or `MBUS_SESSION`. */
  readonly given: string | undefined;
  /** Whether that is `--session`, which nothing is inherited by. */
  readonly isOption?: boolean;
  /** What agents' variables say, the surest first. */
  readonly inheritedIds: readonly InheritedId[];
}

/** What the decision is made on. */
export interface IdentityFacts extends GivenNames {
  /** The vendor of a session that begins, if the command line names one. */
  readonly vendor?: string;
  /** Our host. */
  readonly host: string;
  /** Our ancestors, the parent first. */
  readonly ancestors: Iterable<ProcessIdentity>;
  /** The nearest of them that is an agent, by its window's process. */
  readonly agent: AgentProcess | undefined;
  /** What agent one of them is, if it is one. */
  agentAt(ancestor: ProcessIdentity): AgentProcess | undefined;
  /** The shell that leads the terminal's session, or what stands in for it. */
  readonly keeper: OwnerProcess | undefined;
  /**
   * The sessions of the bus that have not ended; with {@linkcode onlyName} its
   * incarnations are enough.
   */
  readonly sessions: readonly Session[];
  /** Whether a session's process lives. */
  lifeOf(session: Session): Life;
}

/** The process that keeps the session of a command without an agent. */
export type OwnerProcess = ProcessIdentity & {
  /** The terminal whose shell it is. */
  readonly tty?: string;
  /** Whether it is there for one command only: `sh -c …`. */
  readonly isPassing?: boolean;
};

/** Which session it is. */
export interface Identity {
  /** Its id, or the one it will ask for. */
  readonly id: string;
  /** The registered session that is joined; not set for one that begins. */
  readonly joined?: Session;
  /** Who makes the agent. */
  readonly vendor: string;
  /** The process that lives as long as the session, if there is one. */
  readonly process?: ProcessIdentity;
  /** What it lives by, or is known by, beside that, if it begins. */
  readonly keeper?: Keeper;
  /** Its terminal. */
  readonly tty?: string;
  /**
   * Whether it ends soon, if it begins: `command` with the shell of one command,
   * `script` with a process without a terminal.
   */
  readonly passes?: "command" | "script";
  /** The sessions that it may be as well: one process runs them all. */
  readonly others?: readonly string[];
  /** Why it is this one, to go on after "because". */
  readonly because: string;
}

/** The variables that agents set, the vendor's own session id in each. */
export const SESSION_VARIABLES: readonly (readonly [string, string])[] = [
  ["CLAUDE_CODE_SESSION_ID", "claude"],
  ["CODEX_THREAD_ID", "codex"],
  ["CODEX_SESSION_ID", "codex"],
  ["GEMINI_SESSION_ID", "gemini"],
  ["QWEN_CODE_SESSION_ID", "qwen"],
  ["COPILOT_AGENT_SESSION_ID", "copilot"],
];

/** The vendor of a person's shell. */
const SHELL_VENDOR = "shell";

/** Decides which session it is. */
export function identify(facts: IdentityFacts): Identity {
  const sandboxed = inSandbox(facts);
  if (sandboxed !== undefined) return sandboxed;
  if (facts.given !== undefined) {
    return named(facts, facts.given, undefined, "it was named");
  }
  const handed = idFromNearestAgent(facts);
  if (handed !== undefined) {
    return named(
      facts,
      handed.id,
      handed.vendor,
      "the agent's variable says so",
    );
  }
  return byAncestors(facts) ?? byOwner(facts);
}

/**
 * Returns the id that the session has in any case; undefined if other sessions
 * have to be looked at.
 */
export function onlyName(names: GivenNames): string | undefined {
  return threadBesideName(names) === undefined ? names.given : undefined;
}

/** The thread of Codex that may be meant in place of the name in `MBUS_SESSION`. */
function threadBesideName(
  { given, isOption, inheritedIds }: GivenNames,
): InheritedId | undefined {
  if (isOption || given === undefined) return undefined;
  return inheritedIds.find(({ vendor }) => vendor === "codex");
}

/**
 * A thread of Codex that lives below a shared daemon, as its row says, and whose
 * sandbox hides that daemon: `MBUS_SESSION` is that of another window.
 */
function inSandbox(facts: IdentityFacts): Identity | undefined {
  const thread = threadBesideName(facts);
  if (thread === undefined || facts.agent !== undefined) return undefined;
  const session = facts.sessions.find(({ id, keeper }) =>
    id === thread.id && keeper?.codex !== undefined
  );
  return session && joining(session, "the agent's variable says so");
}

function idFromNearestAgent(facts: IdentityFacts): InheritedId | undefined {
  const first = facts.inheritedIds[0];
  if (first === undefined || facts.agent === undefined) return first;
  const { vendor } = facts.agent;
  return facts.inheritedIds.find((handed) => handed.vendor === vendor);
}

function named(
  facts: IdentityFacts,
  id: string,
  vendor: string | undefined,
  because: string,
): Identity {
  const incarnations = facts.sessions.filter((session) =>
    session.id === id || session.id.startsWith(`${id}~`)
  );
  // Whose process runs us is it; looked for only where there is a choice.
  const ours = incarnations.length > 1
    ? nearestOf(incarnations, facts)
    : undefined;
  const session = ours ?? incarnations.find((each) => each.id === id);
  if (session !== undefined && !beginsAnew(facts, session, vendor)) {
    return joining(session, because);
  }
  return {
    id,
    vendor: facts.vendor ?? vendor ?? facts.agent?.vendor ??
      session?.vendor ?? "script",
    // Named, it is to outlive the command: so it lives by its signs of life.
    ...(facts.agent === undefined && facts.keeper?.isPassing
      ? {}
      : keptBy(facts.agent ?? facts.keeper)),
    because,
  };
}

/** The one of some sessions whose process is nearest to us. */
function nearestOf(
  sessions: readonly Session[],
  { agent, ancestors, host }: IdentityFacts,
): Session | undefined {
  const processes = agent === undefined ? ancestors : [agent, ...ancestors];
  for (const process of processes) {
    const session = sessions.find((each) => isProcessOf(each, process, host));
    if (session !== undefined) return session;
  }
}

/** Whether a registered session's process is no longer, or not, the one that runs us. */
function beginsAnew(
  facts: IdentityFacts,
  session: Session,
  vendor: string | undefined,
): boolean {
  const life = facts.lifeOf(session);
  if (life === "dead") return true;
  if (vendor === undefined) return isOuterAgents(facts, session);
  // Only an agent's own variable tells that the same session was resumed: a
  // name that was given may be used by several processes at once.
  return life === "alive" && vendor !== undefined &&
    facts.agent !== undefined && facts.agent.vendor === vendor &&
    !isAncestor(session, facts);
}

/**
 * Whether a name that was inherited is that of an agent further out, which
 * started ours.
 */
function isOuterAgents(facts: IdentityFacts, session: Session): boolean {
  // A session without a process is no agent's.
  if (facts.isOption || session.pid === undefined) return false;
  for (const process of facts.ancestors) {
    if (!isProcessOf(session, process, facts.host)) continue;
    if (facts.agentAt(process) === undefined) return false;
    // Asked last, because it looks at more than each ancestor's name.
    const { agent } = facts;
    return agent !== undefined && !isProcessOf(session, agent, facts.host);
  }
  return false;
}

function byAncestors(facts: IdentityFacts): Identity | undefined {
  const { host } = facts;
  for (const process of facts.ancestors) {
    const known = facts.sessions.filter((each) =>
      isKnownBy(each, process, host)
    );
    const because = `process ${process.pid}, which runs us, is registered`;
    if (known.length > 0) return joiningOneOf(known, because);
    // Asked one by one, from near to far: looking at a process takes time.
    const agent = facts.agentAt(process);
    if (agent !== undefined) {
      // What commands below another process of the window made is not meant.
      const ofWindow = facts.sessions.filter((each) =>
        isProcessOf(each, agent, host) && !isMade(each, host)
      );
      if (ofWindow.length > 0) return joiningOneOf(ofWindow, because);
      const vendor = facts.vendor ?? agent.vendor;
      return {
        id: madeId(vendor, process, host),
        vendor,
        ...keptBy(agent),
        because: `process ${process.pid}, which runs us, is ${agent.vendor}`,
      };
    }
  }
  return undefined;
}

/**
 * Joins the one of the sessions of a process that is at work: agents begin new
 * sessions in one process. Where several are, the others are told.
 */
function joiningOneOf(known: readonly Session[], because: string): Identity {
  const active = known.filter(({ status }) => status === "active");
  const session = active.at(-1) ?? known.at(-1)!;
  const others = active.map(({ id }) => id).filter((id) => id !== session.id);
  return {
    ...joining(session, because),
    ...(others.length > 0 && { others }),
  };
}

/** Whether a session has its id from the process that it is known by. */
function isMade({ id, vendor, keeper }: Session, host: string): boolean {
  return keeper?.caller !== undefined &&
    id === madeId(vendor, keeper.caller, host);
}

function byOwner(facts: IdentityFacts): Identity {
  const { keeper, host } = facts;
  const vendor = facts.vendor ??
    (keeper?.tty === undefined ? "script" : SHELL_VENDOR);
  // A keeper that is no ancestor (a terminal left by its shell) may be known.
  const session = keeper === undefined
    ? undefined
    : facts.sessions.findLast((each) => isProcessOf(each, keeper, host));
  const because = keeper === undefined
    ? "no process can be seen that runs us"
    : keeper.tty === undefined
    ? `process ${keeper.pid} runs us without a terminal`
    : `process ${keeper.pid} is the shell of terminal ${keeper.tty}`;
  if (session !== undefined) return joining(session, because);
  return {
    id: keeper === undefined
      ? `${vendor}-${shortHash(host)}`
      : madeId(vendor, keeper, host),
    vendor,
    ...keptBy(keeper),
    ...(keeper !== undefined && keeper.tty === undefined && {
      passes: keeper.isPassing ? "command" as const : "script" as const,
    }),
    because,
  };
}

/** An id that follows from the process, for a session that has no other. */
export function madeId(
  vendor: string,
  process: ProcessIdentity,
  host: string,
): string {
  const rest = shortHash(`${host} ${process.pid} ${process.startTime}`);
  return `${vendor}-${process.pid}-${rest}`;
}

function joining(session: Session, because: string): Identity {
  return {
    id: session.id,
    joined: session,
    vendor: session.vendor,
    tty: session.tty,
    ...(session.pid !== undefined && {
      process: { pid: session.pid, startTime: session.processStart ?? "" },
    }),
    because,
  };
}

function keptBy(
  process: OwnerProcess | undefined,
): Pick<Identity, "process" | "keeper" | "tty"> {
  if (process === undefined) return {};
  const { pid, startTime, keeper, tty } = process;
  return {
    process: { pid, startTime },
    ...(keeper !== undefined && { keeper }),
    ...(tty !== undefined && { tty }),
  };
}

function isAncestor(session: Session, facts: IdentityFacts): boolean {
  // The window of a thread below a daemon is none of our ancestors.
  if (facts.agent && isProcessOf(session, facts.agent, facts.host)) return true;
  for (const each of facts.ancestors) {
    if (isProcessOf(session, each, facts.host)) return true;
  }
  return false;
}

function isProcessOf(
  session: Session,
  process: ProcessIdentity,
  host: string,
): boolean {
  return session.pid === process.pid && session.host === host &&
    session.processStart === process.startTime;
}

/**
 * Whether a process is what a session is known by: its own, unless an agent's
 * caller is told apart from that.
 */
function isKnownBy(
  session: Session,
  process: ProcessIdentity,
  host: string,
): boolean {
  const caller = session.keeper?.caller;
  if (caller === undefined) return isProcessOf(session, process, host);
  return session.host === host && caller.pid === process.pid &&
    caller.startTime === process.startTime;
}

/** Four letters and digits that follow from a text (FNV-1a). */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return (hash % 36 ** 4).toString(36).padStart(4, "0");
}
