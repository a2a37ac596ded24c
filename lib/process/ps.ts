/**
 * Processes as `ps` tells of them, where there is no `/proc`.
 *
 * `ps` writes start times in the language and time zone of its user, to the
 * second; it is always run with the same ones, so that two processes agree on
 * the start time of a third.
 *
 * @module
 */

import { outputOf } from "./permissions.ts";
import type { ProcessEntry } from "./process_entry.ts";

// One option a column: after "=" the rest of an option is its heading.
const COLUMNS = ["pid=", "ppid=", "tty=", "stat=", "lstart=", "args="]
  .flatMap((column) => ["-o", column]);

/** The process of that pid; `undefined` if there is none to be seen. */
export function psEntry(pid: number): ProcessEntry | undefined {
  return parsePs(outputOf("ps", ["-ww", ...COLUMNS, "-p", `${pid}`]) ?? "")[0];
}

/** All processes to be seen, by pid. */
export function psEntries(): ReadonlyMap<number, ProcessEntry> {
  const entries = parsePs(outputOf("ps", ["-axww", ...COLUMNS]) ?? "");
  return new Map(entries.map((entry) => [entry.pid, entry]));
}

/** Reads what `ps` wrote, a process a line; other lines are passed over. */
export function parsePs(text: string): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const line of text.split("\n")) {
    // 4711 4700 ttys003 S+ Sun Nov 22 17:59:51 2026 node /usr/local/bin/gemini
    const columns =
      /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\w+\s+\w+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/
        .exec(line);
    if (columns === null) continue;
    const [, pid, ppid, tty, state, startTime, words] = columns;
    // Names with blanks fall apart here; no agent has one.
    const list = words.split(" ");
    entries.push({
      pid: Number(pid),
      ppid: Number(ppid),
      startTime,
      state: state[0],
      command: list[0].slice(list[0].lastIndexOf("/") + 1),
      // A leader is marked; who leads the others is not told.
      session: state.includes("s") ? Number(pid) : 0,
      tty: tty.startsWith("?") ? "" : tty,
      arguments: list,
      executable: list[0],
    });
  }
  return entries;
}
