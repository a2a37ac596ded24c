/**
 * Keepers: further processes by which a session lives or is found.
 *
 * Windows of plain Codex run their threads in one daemon. A thread's window may
 * die during its turn, and the daemon survives both. So such a session is alive
 * while its window is alive *or* its turn runs:
 *
 * ```text
 *  window lives ─────────────────────────────────────▶ alive
 *  window gone, and: daemon gone, or thread unloaded ─▶ dead
 *                    session idle ────────────────────▶ dead
 *                    else ─▶ only the daemon knows ───▶ unknown
 * ```
 *
 * - A thread is loaded while the file `thread-writer-locks/ID.lock` exists in
 *   Codex's folder. If that folder cannot be read the result is unknown.
 * - Without a known window, the session's process is the daemon itself, and the
 *   thread is alive while it is loaded.
 * - If the result is unknown, callers that can wait ask the daemon
 *   (`hooks/codex_turn.ts`).
 *
 * For an agent whose process is not recognised, the keeper is the `caller`: the
 * process that ran its hook. It identifies the session but not its liveness.
 *
 * @module
 */

import type { CodexThread, Keeper, KeeperProcess } from "../model/process.ts";
import type { Life, ProcessIdentity } from "../model/process.ts";

/** Parses the column of a row; undefined if it is empty or invalid. */
export function parseKeeper(value: unknown): Keeper | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  let read: unknown;
  try {
    read = JSON.parse(value);
  } catch {
    return undefined;
  }
  const codex = toThread(fieldOf(read, "codex"));
  const caller = toProcess(fieldOf(read, "caller"));
  if (codex === undefined && caller === undefined) return undefined;
  return {
    ...(codex !== undefined && { codex }),
    ...(caller !== undefined && { caller }),
  };
}

/** Returns the column of a row; null without a keeper. */
export function keeperText(keeper: Keeper | undefined): string | null {
  return keeper === undefined ? null : JSON.stringify(keeper);
}

function toThread(value: unknown): CodexThread | undefined {
  const home = fieldOf(value, "home");
  const id = fieldOf(value, "id");
  const daemon = toProcess(fieldOf(value, "daemon"));
  return typeof home === "string" && isThreadId(id) && daemon !== undefined
    ? { home, id, daemon }
    : undefined;
}

function toProcess(value: unknown): KeeperProcess | undefined {
  const pid = fieldOf(value, "pid");
  const startTime = fieldOf(value, "startTime");
  return typeof pid === "number" && typeof startTime === "string"
    ? { pid, startTime }
    : undefined;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** Returns whether a value can be a thread's id, which becomes a file's name. */
export function isThreadId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{1,64}$/.test(value);
}

/**
 * Returns whether a thread is alive if its session's process is dead, or is the
 * daemon.
 *
 * @param isIdle Whether its session waits for the user.
 * @param lifeOf Returns the life of a process of the session's host.
 */
export function threadLife(
  process: ProcessIdentity,
  thread: CodexThread,
  isIdle: boolean,
  lifeOf: (process: ProcessIdentity) => Life,
): Life {
  const daemon = lifeOf(thread.daemon);
  if (daemon !== "alive") return daemon;
  const loaded = isLoaded(thread);
  if (loaded !== true) return loaded === false ? "dead" : "unknown";
  if (process.pid === thread.daemon.pid) return "alive";
  return isIdle ? "dead" : "unknown";
}

/** Returns whether the daemon has loaded the thread; undefined if unreadable. */
export function isLoaded({ home, id }: CodexThread): boolean | undefined {
  const folder = `${home}/thread-writer-locks`;
  return isThere(`${folder}/${id}.lock`) ??
    (isThere(folder) === true ? false : undefined);
}

/** Returns true if a path exists; undefined if it is absent or unreadable. */
function isThere(path: string): true | undefined {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return undefined;
  }
}
