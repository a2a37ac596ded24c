/**
 * The fast path of a hook, for the most frequent calls: no conflict, no pending
 * context. It loads few modules, because loading is most of a hook's cost.
 *
 * | call | takes the fast path |
 * | --- | --- |
 * | before a tool that reads, or that names no file and runs no command | always |
 * | before an edit of a file that the session holds, or of its neighbour | if no other session is near |
 *
 * @module
 */

import type { KeeperProcess } from "../model/process.ts";
import { isNearestAncestor } from "../process/processes.ts";
import type { Database } from "../sqlite/driver.ts";
import { type BusLocation, locateBus } from "../sqlite/location.ts";
import { guardEditFast } from "../sqlite/fast_guard.ts";
import { checkpointOnExit, tryOpenExisting } from "../sqlite/fast_open.ts";
import type { HookEvent } from "./agents/agent.ts";
import { activeFiles, LEASE_MS, LOCKS_MAX } from "./edit_lock.ts";

/** The result of the fast path. */
export interface FastPathResult {
  /** Whether the agent may go on; otherwise the slow path decides. */
  readonly goesOn: boolean;
  /** The bus, if it was opened. */
  readonly bus?: FastPathBus;
}

/** A bus that the fast path opened. */
export interface FastPathBus {
  /** Its database. */
  readonly db: Database;
  /** Releases the bus; a process that `ends` need not close it. */
  leave(ends: boolean): void;
}

// Checking the WAL costs a quarter of the fast path, and a hook adds few pages.
// So one call in this many checks it.
const LOOKED_AT_ONE_IN = 8;

/**
 * Decides on a call if it takes the fast path.
 *
 * @param process Process of the caller's session, if it is not an ancestor.
 */
export function tryFastPath(
  event: HookEvent,
  home: string | undefined,
  nowMs: number,
  process?: KeeperProcess,
): FastPathResult {
  if (event.kind !== "before-tool") return { goesOn: false };
  const { kind, paths, isCut } = event.tool;
  if (kind === "read" || kind === "other" && paths.length === 0) {
    return { goesOn: true };
  }
  if (kind !== "edit" || paths.length !== 1 || isCut || paths[0][0] === "~") {
    return { goesOn: false };
  }
  const path = paths[0].startsWith("/") ? paths[0] : `${event.cwd}/${paths[0]}`;
  if (Deno.env.get("MBUS_URL") || !isRealPath(path)) return { goesOn: false };
  const location = locateBus(home);
  const db = tryOpenExisting(location);
  if (db === undefined) return { goesOn: false };
  try {
    const goesOn = guardEditFast(db, {
      session: event.sessionId,
      vendor: event.agent,
      agent: event.agentId ?? "",
      path,
      leaseMs: LEASE_MS,
      locksMax: LOCKS_MAX,
      nowMs,
      activeFiles: (before) => activeFiles(before, [path]),
      isAncestor: process === undefined
        ? isNearestAncestor
        : (pid, start) => pid === process.pid && start === process.startTime,
      keyOfName: () => keyOfName(path),
    });
    return { goesOn, bus: { db, leave: (ends) => leave(db, location, ends) } };
  } catch {
    // Busy or broken: the slow path waits, or reports the fault.
    db.close();
    return { goesOn: false };
  }
}

function leave(db: Database, location: BusLocation, ends: boolean): void {
  if (!ends) db.close();
  else if (Math.random() * LOOKED_AT_ONE_IN < 1) checkpointOnExit(db, location);
}

/** Whether a path is its own real path, so that all its spellings agree. */
function isRealPath(path: string): boolean {
  try {
    return Deno.realPathSync(path) === path;
  } catch {
    // The file does not exist yet.
    return false;
  }
}

/**
 * Returns the key that identifies an existing file in its folder. Returns
 * undefined if the key needs the rules of `case_rules.ts`, or for a non-file.
 */
export function keyOfName(path: string): string | undefined {
  const at = path.lastIndexOf("/") + 1;
  const name = path.slice(at);
  const small = name.toLowerCase();
  // Paths in `.git` are not part of the worktree.
  if (!isPlain(name) || small === ".git" || !Deno.lstatSync(path).isFile) {
    return undefined;
  }
  // On a case-insensitive file system the key is in lower case.
  return name === small || isNotThere(path.slice(0, at) + small)
    ? name
    : undefined;
}

/** Whether a name is printable ASCII; compiling a pattern would cost more. */
function isPlain(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

function isNotThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
