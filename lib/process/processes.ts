/**
 * The visible processes of this host.
 *
 * 1. The system reuses pids. A pid and a start time together identify a process
 *    until the host ends.
 * 2. An unreadable process may be alive: it may be hidden, or a permission may be
 *    missing.
 * 3. Every walk is bounded.
 *
 * Linux is read through `/proc` (`procfs.ts`), other systems through `ps`
 * (`ps.ts`). Windows has only slow sources, so nothing is read there.
 *
 * @module
 */

import { isPid, type ProcessEntry } from "./process_entry.ts";
import { procEntry } from "./procfs.ts";
import { psEntries, psEntry } from "./ps.ts";

/** The leader of this terminal's session: usually its shell. */
export interface TerminalLeader {
  /** The leader's pid. */
  readonly pid: number;
  /** The leader's start time, as in {@linkcode ProcessEntry}. */
  readonly startTime: string;
  /** The name of the terminal, such as `pts/3`. */
  readonly tty: string;
}

/** The most ancestors that {@linkcode ancestors} yields. */
export const ANCESTORS_MAX = 64;

/** Returns a process; undefined if it is not visible. Never throws. */
export function processEntry(pid: number): ProcessEntry | undefined {
  return isPid(pid) ? entryReader()(pid) : undefined;
}

/**
 * Returns the start time of a process in the system's notation; undefined if it
 * is not visible. Linux counts clock ticks since boot. Never throws.
 */
export function processStart(pid: number): string | undefined {
  return processEntry(pid)?.startTime;
}

/**
 * Yields the visible ancestors of a process, by default of this one, the parent
 * first: at most {@linkcode ANCESTORS_MAX}.
 */
export function* ancestors(pid: number = Deno.pid): Generator<ProcessEntry> {
  const read = isPid(pid) ? entryReader({ many: true }) : readNothing;
  let entry = read(pid);
  for (let step = 0; step < ANCESTORS_MAX && entry !== undefined; step++) {
    entry = entry.ppid > 0 ? read(entry.ppid) : undefined;
    if (entry !== undefined) yield entry;
  }
}

/**
 * Returns whether a process is an ancestor of this one, and the nearest of its
 * short name. An agent that another agent started is a session of its own.
 */
export function isNearestAncestor(pid: number, start: string): boolean {
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
 * Returns the leader of this terminal's session; undefined without a terminal,
 * as in most hooks, or if the leader is not visible. Never throws.
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

/** Returns the nearest leader on a terminal, for a system without session ids. */
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

function readNothing(): undefined {}

/** Returns the reader of this system; with `many`, all entries are read at once. */
function entryReader({ many = false } = {}): EntryReader {
  switch (Deno.build.os) {
    case "linux":
    case "android":
      return procEntry;
    case "windows":
      return readNothing;
    default: {
      if (!many) return psEntry;
      const entries = psEntries();
      return (pid) => entries.get(pid);
    }
  }
}
