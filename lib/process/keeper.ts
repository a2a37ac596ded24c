/**
 * What a session lives by, or is known by, beside its process.
 *
 * Windows of plain Codex run their threads in one daemon. A thread's window may
 * die while its turn goes on, and the daemon lives on after both. So a session
 * of that kind lives while its window lives *or* its turn is under way:
 *
 * ```text
 *  window lives ─────────────────────────────────────▶ alive
 *  window gone, and: daemon gone, or thread unloaded ─▶ dead
 *                    session idle ────────────────────▶ dead
 *                    else ─▶ only the daemon knows ───▶ unknown
 * ```
 *
 * - A thread is loaded for as long as the file `thread-writer-locks/ID.lock` is
 *   in its Codex's folder. Where that folder cannot be seen nothing follows.
 * - Where no window was found, the session's process is the daemon itself, and
 *   the thread lives for as long as it is loaded.
 * - *Unknown* is asked of the daemon by callers that can wait:
 *   `hooks/codex_turn.ts`.
 *
 * An agent whose process is not recognised leaves its caller: the process that
 * ran its hook. It finds the session again, and says nothing of its life.
 *
 * @module
 */

import type { CodexThread, Keeper, KeeperProcess } from "../model/process.ts";
import type { Life, ProcessIdentity } from "../model/process.ts";

/** Reads the column of a row; undefined if there is nothing in it that fits. */
export function parseKeeper(value: unknown): Keeper | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  let read: unknown;
  try {
    read = JSON.parse(value);
  } catch {
    // Foreign programs may have written anything.
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

/** The column of a row; null for nothing. */
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

/** Whether a value can be the id of a thread: it becomes the name of a file. */
export function isThreadId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{1,64}$/.test(value);
}

/**
 * Whether a thread lives whose session's process does not, or is its daemon.
 *
 * @param isIdle Whether its session waits for its person.
 * @param lifeOf Judges a process of the session's host.
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

/** Whether the daemon has the thread loaded; undefined if that cannot be seen. */
export function isLoaded({ home, id }: CodexThread): boolean | undefined {
  const folder = `${home}/thread-writer-locks`;
  return isThere(`${folder}/${id}.lock`) ??
    (isThere(folder) === true ? false : undefined);
}

/** True if a path is there, undefined if it is not or cannot be seen. */
function isThere(path: string): true | undefined {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return undefined;
  }
}
