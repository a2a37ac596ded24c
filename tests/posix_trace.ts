/**
 * The calls of a process on the files of a database, and its POSIX locks.
 *
 * Closing any descriptor of a file drops all POSIX locks of the process on it.
 * So only SQLite may open these files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { hasProgram } from "./fixture.ts";

/** Whether this system can trace system calls. */
export const canTrace: boolean = Deno.build.os === "linux" &&
  Deno.build.arch === "x86_64" && hasProgram("strace");

/**
 * Returns the prefix of a command that writes its opens and watches to a file.
 */
export function tracing(file: string): readonly string[] {
  return [
    "strace",
    "-f",
    "-qq",
    "-s",
    "512",
    "-e",
    "trace=open,openat,openat2,creat,inotify_add_watch",
    "-o",
    file,
  ];
}

/**
 * Returns the names of a database's files on which a process holds POSIX locks.
 */
export function lockedBy(database: string, pid: number): string[] {
  const locked = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    let path: string;
    let info: string;
    try {
      path = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
      // /proc/locks changes while it is read, so that reads miss some lines.
      info = Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`);
    } catch {
      continue;
    }
    const isOurs = path.startsWith(database);
    // lock: 1: POSIX  ADVISORY  READ 4711 08:01:123456 1073741826 1073742335
    if (isOurs && new RegExp(`^lock:.*POSIX .* ${pid} `, "m").test(info)) {
      locked.add(path.slice(database.length - "messaging.db".length));
    }
  }
  return [...locked].sort();
}

// Only SQLite opens files with these flags.
const BY_SQLITE = /\|O_NOFOLLOW\|O_CLOEXEC/;

/**
 * Asserts that only SQLite opened files in a bus's `db` folder, and that only
 * the WAL was watched there, by its name. Returns the watched paths.
 */
export function checkTrace(trace: string, home: string): string[] {
  const calls = trace.split("\n").filter((line) => line.includes(`${home}/`));
  const isWatch = (call: string) => call.includes("inotify_add_watch");
  const watched = calls.filter(isWatch)
    .map((call) => /"([^"]*)"/.exec(call)![1].slice(home.length + 1));
  for (const path of watched) {
    assert.ok(
      path.startsWith("bells/") || path === "db/messaging.db-wal",
      path,
    );
  }
  const opened = calls.filter((call) =>
    !isWatch(call) && call.includes(`${home}/db`)
  );
  assert.ok(opened.some((call) => BY_SQLITE.test(call)), "never opened");
  for (const call of opened.filter((call) => !BY_SQLITE.test(call))) {
    const allowed =
      // The file watch opens the WAL, which has no locks.
      /messaging\.db-wal", O_RDONLY\|/.test(call) ||
      // SQLite opens the folder to flush new files.
      /\/db", O_RDONLY\|O_CLOEXEC/.test(call) ||
      // The call failed, so it opened and closed nothing.
      /O_WRONLY\|O_CREAT\|O_EXCL.* = -1 EEXIST/.test(call);
    assert.ok(allowed, call);
  }
  return watched;
}
