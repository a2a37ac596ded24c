/**
 * The answer to the call that comes most often: nothing stands against it and
 * nobody is to be told anything. It is given in the least code, as what a hook
 * costs is what has to be loaded for it.
 *
 * | call | is quick if |
 * | --- | --- |
 * | before a tool that reads, or that names no file and runs no command | always |
 * | before an edit of a file that the session holds, or whose neighbour it does | nobody else is near |
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

/** What came of it. */
export interface FastPathResult {
  /** Whether the agent can go on without more ado. */
  readonly goesOn: boolean;
  /** The bus, if it was opened. */
  readonly bus?: FastPathBus;
}

/** A bus that was opened for a quick answer. */
export interface FastPathBus {
  /** Its database. */
  readonly db: Database;
  /** Is done with it; a process that `ends` need not close it. */
  leave(ends: boolean): void;
}

// Looking at the log costs a quarter of all else that is done here, and it grows
// by a few pages at a time: so one of so many looks.
const LOOKED_AT_ONE_IN = 8;

/**
 * Looks whether a call is one that nothing stands against.
 *
 * @param process The process of the caller's session, where it did not start us.
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
    // Busy or broken: the whole way waits for the one and says the other.
    db.close();
    return { goesOn: false };
  }
}

function leave(db: Database, location: BusLocation, ends: boolean): void {
  if (!ends) db.close();
  else if (Math.random() * LOOKED_AT_ONE_IN < 1) checkpointOnExit(db, location);
}

/** Whether a path is the one that all ways to write it lead to. */
function isRealPath(path: string): boolean {
  try {
    return Deno.realPathSync(path) === path;
  } catch {
    // It is not there yet.
    return false;
  }
}

/**
 * The name of an existing file as what tells it apart in its folder; undefined
 * where that takes a closer look (`case_rules.ts`) or it is no file.
 */
export function keyOfName(path: string): string | undefined {
  const at = path.lastIndexOf("/") + 1;
  const name = path.slice(at);
  const small = name.toLowerCase();
  // What is called `.git` is not of the worktree.
  if (!isPlain(name) || small === ".git" || !Deno.lstatSync(path).isFile) {
    return undefined;
  }
  // Where letters of either case are the same, the key has small ones.
  return name === small || isNotThere(path.slice(0, at) + small)
    ? name
    : undefined;
}

/** Whether a name is of printable ASCII; a pattern costs more to compile. */
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
