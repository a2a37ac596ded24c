/**
 * Processes as data: what records name, and whether it lives.
 *
 * @module
 */

/** One process of one host. */
export interface ProcessIdentity {
  /** Its number in its host. */
  readonly pid: number;
  /** When it started, as `processStart` tells; empty if that is not known. */
  readonly startTime: string;
  /** What its session lives by beside it, for a session's process. */
  readonly keeper?: Keeper;
  /** Whether its session waits for its person, for a session's process. */
  readonly isIdle?: boolean;
}

/** What can be said of a process: `unknown` is neither of the others. */
export type Life = "alive" | "dead" | "unknown";

/** A thread of Codex in its shared daemon. */
export interface CodexThread {
  /** The folder of that Codex. */
  readonly home: string;
  /** The thread's id. */
  readonly id: string;
  /** The daemon's process. */
  readonly daemon: KeeperProcess;
}

/** A process by its pid and start time. */
export interface KeeperProcess {
  /** Its pid in the session's host. */
  readonly pid: number;
  /** When it started, in the system's own spelling. */
  readonly startTime: string;
}

/** What a session lives by, or is known by, beside its process. */
export interface Keeper {
  /** The thread, if it is one below a daemon of Codex. */
  readonly codex?: CodexThread;
  /** The process that ran the hook of an agent that is not recognised. */
  readonly caller?: KeeperProcess;
}

/** A process, and the host where its pid means something. */
export type HostedProcess = ProcessIdentity & { readonly host: string };

/**
 * Returns whether paths on two hosts may be on one disk: unless they are known to
 * be of two machines. Hosts of one machine, such as a sandboxed shell and the shell
 * beside it, mostly share theirs. `null` is a host that is not known.
 */
export function mayShareDisk(
  host: string | null,
  other: string | null,
): boolean {
  const [one, two] = [machineOf(host), machineOf(other)];
  return one === undefined || two === undefined || one === two;
}

/** The machine that a host is on, or the boot of it; undefined if not known. */
function machineOf(host: string | null): string | undefined {
  const [system, machine] = (host ?? "").split(":");
  return system === "" || system === "private" || machine === undefined
    ? undefined
    : `${system}:${machine}`;
}
