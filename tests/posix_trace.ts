/**
 * What a process does to the files of a database, and which it holds locks on.
 *
 * Closing any descriptor of a file drops all POSIX locks that the process holds
 * on it. What nobody but SQLite opens, nobody but SQLite closes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { hasProgram } from "./fixture.ts";

/** Whether calls of the system can be traced here. */
export const canTrace: boolean = Deno.build.os === "linux" &&
  Deno.build.arch === "x86_64" && hasProgram("strace");

/** The beginning of a command whose opens and watches are written to a file. */
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

/** The files on which a process holds a POSIX lock, of a database's. */
export function lockedBy(database: string, pid: number): string[] {
  const locked = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    let path: string;
    let told: string;
    try {
      path = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
      // Not /proc/locks: its lines come and go with everybody's while it is
      // read, so that some are passed over.
      told = Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`);
    } catch {
      continue;
    }
    const isOurs = path.startsWith(database);
    // lock: 1: POSIX  ADVISORY  READ 4711 08:01:123456 1073741826 1073742335
    if (isOurs && new RegExp(`^lock:.*POSIX .* ${pid} `, "m").test(told)) {
      locked.add(path.slice(database.length - "messaging.db".length));
    }
  }
  return [...locked].sort();
}

// What SQLite opens it opens so; nothing else does.
const BY_SQLITE = /\|O_NOFOLLOW\|O_CLOEXEC/;

/**
 * Fails unless nothing but SQLite has opened what is in a bus's `db`, and
 * nothing has watched it but the log by its name; returns what was watched.
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
      // The watcher's look at the one file that holds no locks.
      /messaging\.db-wal", O_RDONLY\|/.test(call) ||
      // SQLite's own, to make what it created last.
      /\/db", O_RDONLY\|O_CLOEXEC/.test(call) ||
      // Refused, as the file is there: nothing is opened, or closed.
      /O_WRONLY\|O_CREAT\|O_EXCL.* = -1 EEXIST/.test(call);
    assert.ok(allowed, call);
  }
  return watched;
}
