/**
 * Processes as Linux shows them in `/proc`.
 *
 * What it keeps true, and why:
 *
 * 1. What is read is about our own pids. Where `/proc` shows another pid
 *    namespace (`unshare --pid` without `--mount-proc`), its numbers mean other
 *    processes, so nothing is read from it by number; `/proc/self` is right
 *    in any case.
 * 2. The text is the same however it is read. Deno opens `/proc` only with
 *    `--allow-all`; with `--allow-run` alone, `cat` and `readlink` do, a few
 *    hundred times slower, and processes of both kinds agree on a start time.
 *
 * @module
 */

import { canTry, outputOf } from "./permissions.ts";
import type { ProcessEntry } from "./process_entry.ts";

/** The text of a file in `/proc`; `undefined` if it cannot be read. */
export function procText(path: string): string | undefined {
  return tried(() => Deno.readTextFileSync(path)) ??
    (opens ? undefined : outputOf("cat", [path]));
}

/** What a link in `/proc` says; `undefined` if it cannot be read. */
export function procLink(path: string): string | undefined {
  return tried(() => Deno.readLinkSync(path)) ??
    (opens ? undefined : outputOf("readlink", [path])?.trimEnd());
}

/** The process of that pid; `undefined` if there is none to be seen. */
export function procEntry(pid: number): ProcessEntry | undefined {
  if (!showsOurPids()) return undefined;
  const text = procText(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** Reads the one line of `/proc/‹pid›/stat`; `undefined` if it is no such line. */
export function parseStat(line: string): ProcessEntry | undefined {
  // The name may hold anything, blanks and brackets too: only the last bracket
  // ends it.
  const open = line.indexOf("(");
  const close = line.lastIndexOf(")");
  const fields = line.slice(close + 2).split(" ");
  // The third field of the line, the state, is the first here.
  const [state, ppid, , session, terminal] = fields;
  const startTime = fields[22 - 3];
  const pid = Number(line.slice(0, open));
  if (open < 0 || startTime === undefined) return undefined;
  return {
    pid,
    ppid: Number(ppid),
    startTime,
    state,
    command: line.slice(open + 1, close),
    session: Number(session),
    tty: terminalName(Number(terminal)),
    get arguments() {
      const text = procText(`/proc/${pid}/cmdline`) ?? "";
      return text.replace(/\0$/, "").split("\0");
    },
    get executable() {
      // An agent that updated itself runs on from a file that is gone.
      return procLink(`/proc/${pid}/exe`)?.replace(/ \(deleted\)$/, "") ?? "";
    },
  };
}

/** Whether Deno opens files in `/proc` for us; undefined before the first try. */
let opens: boolean | undefined;

function tried<Answer>(read: () => Answer): Answer | undefined {
  opens ??= canTry({ name: "read", path: "/proc/self/stat" });
  if (!opens) return undefined;
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) opens = false;
    return undefined;
  }
}

let ours: boolean | undefined;

function showsOurPids(): boolean {
  if (ours === undefined) {
    const self = parseStat(procText("/proc/self/stat") ?? "");
    // Read by a command of ours, it tells of that command.
    ours = (opens ? self?.pid : self?.ppid) === Deno.pid;
  }
  return ours;
}

/** The name of a terminal by its device number, as `ps` has it. */
function terminalName(device: number): string {
  if (device === 0) return "";
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) {
    return `pts/${(major - 136) * 256 + minor}`;
  }
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  return `${major}:${minor}`;
}
