/**
 * Detection of the session that a command acts for.
 *
 * A command's own process is short-lived, so the session is that of the agent, or
 * of the person's shell, above it. In order:
 *
 * 1. `--session`, or `MBUS_SESSION`.
 * 2. An agent's variable for its child processes. Agents start each other and
 *    variables are inherited. So a variable of another vendor than the nearest
 *    agent's counts only if no agent is visible.
 * 3. The nearest ancestor that is the process of a live session, that ran a
 *    session's hook, or that is an agent. A session `shell` above an agent is the
 *    person's.
 * 4. The shell that leads the terminal's session, as vendor `shell`.
 * 5. Without a terminal, the leader of the process session, else the nearest
 *    ancestor that is not a shell for one command: a script or a service.
 *
 * A command joins a registered session and only renews its heartbeat. A new
 * session starts (under the same id, or as `id~2`) if the old process is dead, or
 * if another agent resumed the session and is our ancestor. A session whose
 * process cannot be checked, as in a sandbox, is joined.
 *
 * Generated ids derive from the process, so that two first commands at the same
 * time create the same session.
 *
 * @module
 */

import type { AgentProcess } from "../process/host.ts";
import type { Keeper, Life, ProcessIdentity } from "../model/process.ts";
import type { Session } from "../model/session.ts";

/** Session id that a command inherits in an agent's variable. */
export interface InheritedId {
  /** Vendor of the agent that sets the variable. */
  readonly vendor: string;
  /** Value of the variable. */
  readonly id: string;
}

/** Session names from the command line and the environment. */
export interface GivenNames {
  /** Value of `--session`, else of `MBUS_SESSION`. */
  readonly given: string | undefined;
  /** Whether it is `--session`'s, which no process inherits. */
  readonly isOption?: boolean;
  /** Values of agents' variables, the most reliable first. */
  readonly inheritedIds: readonly InheritedId[];
}

/** Facts from which {@linkcode identify} decides. */
export interface IdentityFacts extends GivenNames {
  /** Vendor of a new session, if the command line names one. */
  readonly vendor?: string;
  /** Id of this host. */
  readonly host: string;
  /** Ancestors of this process, the parent first. */
  readonly ancestors: Iterable<ProcessIdentity>;
  /** Nearest ancestor that is an agent, as the process of its window. */
  readonly agent: AgentProcess | undefined;
  /** Returns the agent that an ancestor is, if any. */
  agentAt(ancestor: ProcessIdentity): AgentProcess | undefined;
  /** Process that owns the session of a command without an agent. */
  readonly ownerProcess: OwnerProcess | undefined;
  /**
   * Sessions that have not ended. The incarnations of {@linkcode onlyName}'s
   * result are enough.
   */
  readonly sessions: readonly Session[];
  /** Returns whether a session's process lives. */
  lifeOf(session: Session): Life;
}

/** Process that owns the session of a command without an agent. */
export type OwnerProcess = ProcessIdentity & {
  /** Terminal of the shell. */
  readonly tty?: string;
  /** Whether it is a shell for one command: `sh -c …`. */
  readonly isOneShot?: boolean;
};

/** Session that a command acts for. */
export interface Identity {
  /** Id of the session; a new session may get another incarnation of it. */
  readonly id: string;
  /** Registered session that is joined; absent for a new one. */
  readonly joined?: Session;
  /** Vendor of the agent. */
  readonly vendor: string;
  /** Process that lives as long as the session, if any. */
  readonly process?: ProcessIdentity;
  /** Further processes by which a new session lives or is found. */
  readonly keeper?: Keeper;
  /** Terminal of the session. */
  readonly tty?: string;
  /**
   * Cause of a new session's early end: `command` for the shell of one command,
   * `script` for a process without a terminal.
   */
  readonly shortLived?: "command" | "script";
  /** Other active sessions of the same process. */
  readonly others?: readonly string[];
  /** Reason for this choice, as a clause after "because". */
  readonly because: string;
}

/** Variables in which agents pass their session id, with the vendor. */
export const SESSION_VARIABLES: readonly (readonly [string, string])[] = [
  ["CLAUDE_CODE_SESSION_ID", "claude"],
  ["CODEX_THREAD_ID", "codex"],
  ["CODEX_SESSION_ID", "codex"],
  ["GEMINI_SESSION_ID", "gemini"],
  ["QWEN_CODE_SESSION_ID", "qwen"],
  ["COPILOT_AGENT_SESSION_ID", "copilot"],
];

/** Vendor of a person's shell. */
const SHELL_VENDOR = "shell";

/** Returns the session that a command acts for. */
export function identify(facts: IdentityFacts): Identity {
  const sandboxed = inSandbox(facts);
  if (sandboxed !== undefined) return sandboxed;
  if (facts.given !== undefined) {
    const because = facts.isOption
      ? "--session names it"
      : "MBUS_SESSION names it";
    return named(facts, facts.given, undefined, because);
  }
  const inherited = idFromNearestAgent(facts);
  if (inherited !== undefined) {
    return named(
      facts,
      inherited.id,
      inherited.vendor,
      "the agent's variable names it",
    );
  }
  return byAncestors(facts) ?? byOwner(facts);
}

/** Returns the session's id if it depends on no other session, else undefined. */
export function onlyName(names: GivenNames): string | undefined {
  return threadBesideName(names) === undefined ? names.given : undefined;
}

/** Returns the Codex thread that may override the name in `MBUS_SESSION`. */
function threadBesideName(
  { given, isOption, inheritedIds }: GivenNames,
): InheritedId | undefined {
  if (isOption || given === undefined) return undefined;
  return inheritedIds.find(({ vendor }) => vendor === "codex");
}

/**
 * Returns the session of a Codex thread in a shared daemon that its sandbox hides.
 * The value of `MBUS_SESSION` there is that of another window.
 */
function inSandbox(facts: IdentityFacts): Identity | undefined {
  const thread = threadBesideName(facts);
  if (thread === undefined || facts.agent !== undefined) return undefined;
  const session = facts.sessions.find(({ id, keeper }) =>
    id === thread.id && keeper?.codex !== undefined
  );
  return session && joining(session, "the agent's variable names it");
}

function idFromNearestAgent(facts: IdentityFacts): InheritedId | undefined {
  const first = facts.inheritedIds[0];
  if (first === undefined || facts.agent === undefined) return first;
  const { vendor } = facts.agent;
  return facts.inheritedIds.find((inherited) => inherited.vendor === vendor);
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
  // The process is compared only if several incarnations exist.
  const ours = incarnations.length > 1
    ? nearestOf(incarnations, facts)
    : undefined;
  const session = ours ?? incarnations.find((each) => each.id === id);
  if (session !== undefined && !startsNew(facts, session, vendor)) {
    return joining(session, because);
  }
  return {
    id,
    vendor: facts.vendor ?? vendor ?? facts.agent?.vendor ??
      session?.vendor ?? "script",
    // A named session outlives a one-shot shell: it lives by its heartbeat.
    ...(facts.agent === undefined && facts.ownerProcess?.isOneShot
      ? {}
      : ownedBy(facts.agent ?? facts.ownerProcess)),
    because,
  };
}

/** Returns the session whose process is our nearest ancestor. */
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

/** Returns whether a new session starts instead of joining a registered one. */
function startsNew(
  facts: IdentityFacts,
  session: Session,
  vendor: string | undefined,
): boolean {
  const life = facts.lifeOf(session);
  if (life === "dead") return true;
  if (vendor === undefined) return isOuterAgents(facts, session);
  // Only an agent's own variable proves that it resumed the session: several
  // processes may use a given name at once.
  return life === "alive" && vendor !== undefined &&
    facts.agent !== undefined && facts.agent.vendor === vendor &&
    !isAncestor(session, facts);
}

/** Returns whether an inherited name is that of an agent above the nearest one. */
function isOuterAgents(facts: IdentityFacts, session: Session): boolean {
  // An agent's session has a process.
  if (facts.isOption || session.pid === undefined) return false;
  for (const process of facts.ancestors) {
    if (!isProcessOf(session, process, facts.host)) continue;
    if (facts.agentAt(process) === undefined) return false;
    // Read last, because it takes more than each ancestor's name.
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
    const because = `its process ${process.pid} runs this command`;
    if (known.length > 0) return joiningOneOf(known, because);
    // One by one, the nearest first, because reading a process takes time.
    const agent = facts.agentAt(process);
    if (agent !== undefined) {
      // Sessions of commands below another process of the window do not count.
      const ofWindow = facts.sessions.filter((each) =>
        isProcessOf(each, agent, host) && !isMade(each, host)
      );
      if (ofWindow.length > 0) return joiningOneOf(ofWindow, because);
      const vendor = facts.vendor ?? agent.vendor;
      return {
        id: madeId(vendor, process, host),
        vendor,
        ...ownedBy(agent),
        because: `process ${process.pid} of ${agent.vendor} runs this command`,
      };
    }
  }
  return undefined;
}

/**
 * Joins the last active session of a process, because an agent may start several
 * sessions in one process. The result names the other active ones.
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

/** Returns whether a session's id was generated from its caller's process. */
function isMade({ id, vendor, keeper }: Session, host: string): boolean {
  return keeper?.caller !== undefined &&
    id === madeId(vendor, keeper.caller, host);
}

function byOwner(facts: IdentityFacts): Identity {
  const { ownerProcess: owner, host } = facts;
  const vendor = facts.vendor ??
    (owner?.tty === undefined ? "script" : SHELL_VENDOR);
  // An owner may be registered without being an ancestor: a terminal's shell
  // that left it.
  const session = owner === undefined
    ? undefined
    : facts.sessions.findLast((each) => isProcessOf(each, owner, host));
  const because = owner === undefined
    ? "no ancestor of this command is visible"
    : owner.tty === undefined
    ? `process ${owner.pid} runs this command without a terminal`
    : `process ${owner.pid} is the shell of terminal ${owner.tty}`;
  if (session !== undefined) return joining(session, because);
  return {
    id: owner === undefined
      ? `${vendor}-${shortHash(host)}`
      : madeId(vendor, owner, host),
    vendor,
    ...ownedBy(owner),
    ...(owner !== undefined && owner.tty === undefined && {
      shortLived: owner.isOneShot ? "command" as const : "script" as const,
    }),
    because,
  };
}

/** Returns the generated id of a session, derived from its process. */
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

function ownedBy(
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
  // The window of a thread in a daemon is not an ancestor, and counts as one.
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
 * Returns whether a session is found by a process: by the caller of its hooks if
 * that is stored, else by its own process.
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

/** Returns the FNV-1a hash of a text, as four letters and digits. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return (hash % 36 ** 4).toString(36).padStart(4, "0");
}
