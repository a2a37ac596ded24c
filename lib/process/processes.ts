/**
 * The processes of this host, as far as the system lets us see them.
 *
 * What it keeps true, and why:
 *
 * 1. A pid is only half a name: it is used again. Together with the time its
 *    process started it names one process for as long as the host is up.
 * 2. Nothing seen means nothing known: a process may be hidden from us, and the
 *    permission to look may be missing. Nothing here concludes an end from it.
 * 3. Every walk is bounded.
 *
 * Linux tells through `/proc` (`procfs.ts`), Windows nothing that is not slow,
 * all others through `ps` (`ps.ts`).
 *
 * @module
 */

import { isPid, type ProcessEntry } from "./process_entry.ts";
import { procEntry } from "./procfs.ts";
import { psEntries, psEntry } from "./ps.ts";

/** Who leads the session of our terminal: normally its shell. */
export interface TerminalLeader {
  /** The leader's pid. */
  readonly pid: number;
  /** When the leader started, as in {@linkcode ProcessEntry}. */
  readonly startTime: string;
  /** The name of the terminal, such as `pts/3`. */
  readonly tty: string;
}

/** The most ancestors that are walked through. */
export const ANCESTORS_MAX = 64;

/** Looks at a process; `undefined` if there is none to be seen. Never throws. */
export function processEntry(pid: number): ProcessEntry | undefined {
  return isPid(pid) ? entryReader()(pid) : undefined;
}

/**
 * Tells when a process started, in the system's own spelling: on Linux clock
 * ticks since boot; `undefined` if it cannot be seen. Never throws.
 */
export function processStart(pid: number): string | undefined {
  return processEntry(pid)?.startTime;
}

/**
 * Walks up from the parent of a process, by default this one, through at most
 * {@linkcode ANCESTORS_MAX} processes, as far as they can be seen.
 */
export function* ancestors(pid: number = Deno.pid): Generator<ProcessEntry> {
  const read = isPid(pid) ? entryReader({ many: true }) : seesNone;
  let entry = read(pid);
  for (let step = 0; step < ANCESTORS_MAX && entry !== undefined; step++) {
    entry = entry.ppid > 0 ? read(entry.ppid) : undefined;
    if (entry !== undefined) yield entry;
  }
}

/**
 * Whether a process runs us, and no other between of its name: an agent that it
 * started is another session, even under a name that was handed on.
 */
export function runsUs(pid: number, start: string): boolean {
  const between = new Set<string>();
  for (const entry of ancestors()) {
    if (entry.pid === pid) {
      return entry.startTime === start && !between.has(entry.command);
    }
    between.add(entry.command);
  }
  return false;
}

/**
 * Finds who leads the session of this process's terminal; `undefined` without
 * a terminal, as in most hooks, or if the leader cannot be seen. Never throws.
 */
export function terminalLeader(): TerminalLeader | undefined {
  const self = processEntry(Deno.pid);
  if (self === undefined || self.tty === "") return undefined;
  const leader = self.session > 0
    ? processEntry(self.session)
    : leaderAmong(ancestors(), self.tty);
  if (leader === undefined) return undefined;
  return { pid: leader.pid, startTime: leader.startTime, tty: self.tty };
}

/** Where no session is told, the nearest leader on the same terminal is ours. */
function leaderAmong(
  entries: Iterable<ProcessEntry>,
  tty: string,
): ProcessEntry | undefined {
  for (const entry of entries) {
    if (entry.session === entry.pid && entry.tty === tty) return entry;
  }
  return undefined;
}

type EntryReader = (pid: number) => ProcessEntry | undefined;

function seesNone(): undefined {}

/** How this system tells of processes; of `many` it does so all at once. */
function entryReader({ many = false } = {}): EntryReader {
  switch (Deno.build.os) {
    case "linux":
    case "android":
      return procEntry;
    case "windows":
      return seesNone;
    default: {
      if (!many) return psEntry;
      const entries = psEntries();
      return (pid) => entries.get(pid);
    }
  }
}
