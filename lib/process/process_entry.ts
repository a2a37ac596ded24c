/**
 * A process as the system describes it.
 *
 * @module
 */

/** A snapshot of a process. */
export interface ProcessEntry {
  /** The pid in this host. */
  readonly pid: number;
  /** The parent's pid; 0 if the parent is outside of this host. */
  readonly ppid: number;
  /** The start time in the system's notation, for comparison. */
  readonly startTime: string;
  /** One letter: `R`, `S`, `D` alive, `T`, `t` stopped, `Z`, `X` ended. */
  readonly state: string;
  /** The short name: on Linux `comm`, at most 15 bytes, else the file's name. */
  readonly command: string;
  /** The pid of the session leader; 0 if unknown. */
  readonly session: number;
  /** The name of the terminal, such as `pts/3`; empty without one. */
  readonly tty: string;
  /** The command line, or the title that the process set; read on access. */
  readonly arguments: readonly string[];
  /** The executable file; empty if unreadable; read on access. */
  readonly executable: string;
}

/** Returns whether a number is a pid: 0 and below name groups in system calls. */
export function isPid(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && pid <= 0x7fffffff;
}
