/**
 * Processes as `ps` prints them, for systems without `/proc`.
 *
 * `ps` prints start times in the user's language and time zone, to the second.
 * Both are fixed, so that two processes agree on the start time of a third.
 *
 * @module
 */

import { outputOf } from "./permissions.ts";
import type { ProcessEntry } from "./process_entry.ts";

// One option a column: after "=" the rest of an option is its heading.
const COLUMNS = ["pid=", "ppid=", "tty=", "stat=", "lstart=", "args="]
  .flatMap((column) => ["-o", column]);

/** Returns the process of a pid; undefined if it is not visible. */
export function psEntry(pid: number): ProcessEntry | undefined {
  return parsePs(outputOf("ps", ["-ww", ...COLUMNS, "-p", `${pid}`]) ?? "")[0];
}

/** Returns all visible processes by pid. */
export function psEntries(): ReadonlyMap<number, ProcessEntry> {
  const entries = parsePs(outputOf("ps", ["-axww", ...COLUMNS]) ?? "");
  return new Map(entries.map((entry) => [entry.pid, entry]));
}

/** Parses the output of `ps`, one process a line; skips other lines. */
export function parsePs(text: string): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const line of text.split("\n")) {
    // 4711 4700 ttys003 S+ Sun Nov 22 17:59:51 2026 node /usr/local/bin/gemini
    const columns =
      /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\w+\s+\w+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/
        .exec(line);
    if (columns === null) continue;
    const [, pid, ppid, tty, state, startTime, words] = columns;
    // A name with spaces is split; no agent has one.
    const list = words.split(" ");
    entries.push({
      pid: Number(pid),
      ppid: Number(ppid),
      startTime,
      state: state[0],
      command: list[0].slice(list[0].lastIndexOf("/") + 1),
      // `ps` marks leaders, and does not print the leader of others.
      session: state.includes("s") ? Number(pid) : 0,
      tty: tty.startsWith("?") ? "" : tty,
      arguments: list,
      executable: list[0],
    });
  }
  return entries;
}
