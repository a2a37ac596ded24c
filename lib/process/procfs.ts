/**
 * Processes in Linux's `/proc`.
 *
 * 1. Only pids of this namespace are read. `/proc` may show another one
 *    (`unshare --pid` without `--mount-proc`), in which a pid names another
 *    process. Then nothing but `/proc/self` is read.
 * 2. Deno opens `/proc` only with `--allow-all`. With `--allow-run` alone, `cat`
 *    and `readlink` return the same text, but are slow.
 *
 * @module
 */

import { canTry, outputOf } from "./permissions.ts";
import type { ProcessEntry } from "./process_entry.ts";

/** Returns the text of a file in `/proc`; undefined if it is unreadable. */
export function procText(path: string): string | undefined {
  return tryRead(() => Deno.readTextFileSync(path)) ??
    (opens ? undefined : outputOf("cat", [path]));
}

/** Returns the target of a link in `/proc`; undefined if it is unreadable. */
export function procLink(path: string): string | undefined {
  return tryRead(() => Deno.readLinkSync(path)) ??
    (opens ? undefined : outputOf("readlink", [path])?.trimEnd());
}

/** Returns the process of a pid; undefined if it is not visible. */
export function procEntry(pid: number): ProcessEntry | undefined {
  if (!showsOurPids()) return undefined;
  const text = procText(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** Parses the line of `/proc/‹pid›/stat`; undefined if it is not such a line. */
export function parseStat(line: string): ProcessEntry | undefined {
  // The name may contain spaces and parentheses: only the last one ends it.
  const open = line.indexOf("(");
  const close = line.lastIndexOf(")");
  const fields = line.slice(close + 2).split(" ");
  // The state, the first of these, is the third field of the line.
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
      // An agent that updated itself still runs its deleted file.
      return procLink(`/proc/${pid}/exe`)?.replace(/ \(deleted\)$/, "") ?? "";
    },
  };
}

/** Whether Deno may open files in `/proc`; undefined before the first try. */
let opens: boolean | undefined;

function tryRead<Read>(read: () => Read): Read | undefined {
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
    // `cat` reads its own entry there, whose parent is this process.
    ours = (opens ? self?.pid : self?.ppid) === Deno.pid;
  }
  return ours;
}

/** Returns the name of a terminal from its device number, as `ps` prints it. */
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
