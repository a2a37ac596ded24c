/**
 * What there is to know of a process, whichever way the system tells it.
 *
 * @module
 */

/** A process, as it was when it was looked at. */
export interface ProcessEntry {
  /** Its number in this host. */
  readonly pid: number;
  /** The number of its parent; 0 if that is outside of this host. */
  readonly ppid: number;
  /** When it started, in the system's own spelling, to compare with others. */
  readonly startTime: string;
  /** One letter: `R`, `S`, `D` alive, `T`, `t` stopped, `Z`, `X` ended. */
  readonly state: string;
  /** The short name: on Linux its `comm`, of at most 15 bytes, else its file's. */
  readonly command: string;
  /** The pid of its session's leader; 0 if that is not known. */
  readonly session: number;
  /** The name of its terminal, such as `pts/3`; empty without one. */
  readonly tty: string;
  /** The words it was started with, or calls itself by; read when asked for. */
  readonly arguments: readonly string[];
  /** The file it runs; empty if that is not ours to know; read when asked for. */
  readonly executable: string;
}

/** Whether a number can be a pid: some others mean whole groups to a system call. */
export function isPid(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && pid <= 0x7fffffff;
}
