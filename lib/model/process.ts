/**
 * Processes as data: identities, and whether they live.
 *
 * @module
 */

/** Identity of a process on one host. */
export interface ProcessIdentity {
  /** Process id on its host. */
  readonly pid: number;
  /** Start time, in the form of `processStart`; empty if unknown. */
  readonly startTime: string;
  /** Further process or thread that keeps its session alive. */
  readonly keeper?: Keeper;
  /** Whether its session waits for a person's prompt. */
  readonly isIdle?: boolean;
}

/** Liveness of a process; `unknown` where it cannot be checked. */
export type Life = "alive" | "dead" | "unknown";

/** Thread of Codex in its shared daemon. */
export interface CodexThread {
  /** Folder of that Codex (`CODEX_HOME`). */
  readonly home: string;
  /** Id of the thread. */
  readonly id: string;
  /** Process of the daemon. */
  readonly daemon: KeeperProcess;
}

/** Process by its pid and start time. */
export interface KeeperProcess {
  /** Process id on the session's host. */
  readonly pid: number;
  /** Start time, as the system spells it. */
  readonly startTime: string;
}

/** Further process or thread that a session lives by, or is recognised by. */
export interface Keeper {
  /** Thread of a Codex daemon. */
  readonly codex?: CodexThread;
  /** Process that ran the hook of an unrecognised agent. */
  readonly caller?: KeeperProcess;
}

/** Process together with the host of its pid. */
export type HostedProcess = ProcessIdentity & { readonly host: string };

/**
 * Returns whether paths on two hosts may be on one disk; `null` is an unknown
 * host. Hosts of two machines share no disk. Hosts of one machine usually share
 * theirs, such as a sandboxed shell and the shell beside it.
 */
export function mayShareDisk(
  host: string | null,
  other: string | null,
): boolean {
  const [one, two] = [machineOf(host), machineOf(other)];
  return one === undefined || two === undefined || one === two;
}

/** Returns the machine of a host, or its boot; undefined if unknown. */
function machineOf(host: string | null): string | undefined {
  const [system, machine] = (host ?? "").split(":");
  return system === "" || system === "private" || machine === undefined
    ? undefined
    : `${system}:${machine}`;
}
