/**
 * Threads of Codex whose hooks and shells run below its shared daemon.
 *
 * A plainly started Codex runs the threads of all windows in one background
 * process per CODEX_HOME. The daemon keeps the environment of the window that
 * started it. So a hook or shell cannot trust its inherited environment:
 *
 * | value | source |
 * | --- | --- |
 * | the session | the thread's id |
 * | its process | the thread's window, which the daemon knows by a port |
 * | the bus | the command's own `MBUS_HOME=…`, otherwise the window's environment |
 * | `MBUS_SESSION` | ignored |
 *
 * Codex documents none of this. Where a name or a file is missing, the session
 * is the same as without a daemon.
 *
 * Finding a window takes longer than a hook may. So a file in the daemon's bus
 * folder caches it. The daemon is asked again at a session's start, and at a
 * prompt if the window's process is gone.
 *
 * @module
 */

import type { CodexThread, KeeperProcess } from "../model/process.ts";
import { isThreadId } from "../process/keeper.ts";
import type { ProcessEntry } from "../process/process_entry.ts";
import { ancestors, processEntry } from "../process/processes.ts";
import { procText } from "../process/procfs.ts";
import { assertPrivateFolder, locateBus } from "../sqlite/location.ts";
import { DAEMON_FILE } from "./agents/codex.ts";

/** The thread that runs this process, below the daemon of its Codex. */
export interface BelowDaemon {
  /** The thread. */
  readonly thread: CodexThread;
  /** Process of the thread's window, otherwise the daemon's. */
  readonly process: KeeperProcess;
  /** Whether `process` is the window's. */
  readonly hasWindow: boolean;
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>;

/** The cached window of a thread. */
interface Window extends KeeperProcess {
  /** Variables of the window that concern the bus. */
  readonly environment: Environment;
}

/** When to ask the daemon although a window is cached. */
export type Look =
  /** Always: the thread was loaded just now. */
  | "always"
  /** If the process of the cached window is gone. */
  | "if-gone"
  /** Never: a thread without a window may have a turn under way. */
  | "never";

// The variables that say which bus to use, and how.
const OF_THE_BUS =
  /^(MBUS_\w+|CODITECT_HOME|HOME|XDG_STATE_HOME|XDG_CONFIG_HOME)$/;

// These would name another agent, or a session that is not the thread's.
const HEARSAY = ["MBUS_SESSION", "CLAUDE_PID", "OPENCODE_PID"];

/**
 * Returns the thread that runs this process, if it runs below a daemon. Replaces
 * the daemon's environment variables with those of the thread's window.
 *
 * @param home The folder of that Codex.
 * @param id The thread's id.
 * @param look When to ask the daemon although a window is cached.
 */
export async function belowDaemon(
  home: string,
  id: string,
  look: Look,
): Promise<BelowDaemon | undefined> {
  const daemon = daemonAbove(home);
  if (daemon === undefined || !isThreadId(id)) return undefined;
  const thread: CodexThread = { home, id, daemon };
  // The cache's folder follows from the daemon's variables, so it comes first.
  const folder = windowsFolder();
  const window = await windowOf(thread, folder, look);
  if (window !== undefined) {
    adopt(window.environment, environmentOf(daemon.pid));
  }
  for (const name of HEARSAY) Deno.env.delete(name);
  return {
    thread,
    process: window === undefined
      ? daemon
      : { pid: window.pid, startTime: window.startTime },
    hasWindow: window !== undefined,
  };
}

async function windowOf(
  thread: CodexThread,
  folder: string | undefined,
  look: Look,
): Promise<Window | undefined> {
  const known = recalled(folder, thread.id);
  const isKnown = look === "never" && known !== undefined ||
    look === "if-gone" && known != null && lives(known);
  if (isKnown) return known ?? undefined;
  const { findWindow } = await import("./codex_window.ts");
  const found = await findWindow(thread);
  const window = found && { ...found, environment: environmentOf(found.pid) };
  // A dead window may be the only source of the thread's bus.
  const latest = window ?? known ?? null;
  if (latest === null || latest !== known) remember(folder, thread.id, latest);
  return latest ?? undefined;
}

/**
 * Returns the daemon of the Codex in `home`, if it is an ancestor of this
 * process. Its file alone proves nothing: a killed daemon leaves it behind.
 */
export function daemonAbove(
  home: string,
  above: Iterable<ProcessEntry> = ancestors(),
): KeeperProcess | undefined {
  const pid = daemonPid(home);
  if (pid === undefined) return undefined;
  for (const entry of above) {
    if (entry.pid !== pid.pid) continue;
    const isSame = pid.startTicks === undefined
      ? isManagedDaemon(entry)
      : pid.startTicks === entry.startTime;
    return isSame ? { pid: entry.pid, startTime: entry.startTime } : undefined;
  }
  return undefined;
}

function daemonPid(
  home: string,
): { readonly pid: number; readonly startTicks?: string } | undefined {
  try {
    const file: unknown = JSON.parse(
      Deno.readTextFileSync(`${home}/${DAEMON_FILE}`),
    );
    const { pid, processIdentity } = file as {
      pid?: unknown;
      processIdentity?: { startTicks?: unknown };
    };
    if (typeof pid !== "number") return undefined;
    const ticks = processIdentity?.startTicks;
    return typeof ticks === "number"
      ? { pid, startTicks: `${ticks}` }
      : { pid };
  } catch {
    // The file is missing, or another version wrote it.
    return undefined;
  }
}

function isManagedDaemon({ arguments: words }: ProcessEntry): boolean {
  return words.includes("app-server") && words.includes("--managed-daemon");
}

/** Returns a process's variables that concern the bus; empty if unreadable. */
export function environmentOf(pid: number): Environment {
  const text = procText(`/proc/${pid}/environ`) ?? "";
  const found: Record<string, string> = {};
  for (const line of text.split("\0")) {
    const at = line.indexOf("=");
    const name = line.slice(0, at);
    if (at > 0 && OF_THE_BUS.test(name)) found[name] = line.slice(at + 1);
  }
  return found;
}

/** Replaces variables that came from the daemon with the window's. */
function adopt(window: Environment, inherited: Environment): void {
  for (const name of [...Object.keys(window), ...Object.keys(inherited)]) {
    const own = Deno.env.get(name);
    // The hook's command line or the shell's configuration set it.
    if (own !== undefined && own !== inherited[name]) continue;
    if (window[name] === undefined) Deno.env.delete(name);
    else Deno.env.set(name, window[name]);
  }
}

function lives({ pid, startTime }: KeeperProcess): boolean {
  const entry = processEntry(pid);
  return entry !== undefined && entry.startTime === startTime &&
    entry.command === "codex" && !/[ZXx]/.test(entry.state);
}

// ——— the cache of windows ———

const REMEMBERED_MAX = 200;

function windowsFolder(): string | undefined {
  try {
    return `${locateBus().home}/codex-windows`;
  } catch {
    // The daemon's environment names no bus.
    return undefined;
  }
}

/** Returns the cached window; null if none was found, undefined if unknown. */
function recalled(
  folder: string | undefined,
  id: string,
): Window | null | undefined {
  if (folder === undefined) return undefined;
  try {
    assertPrivateFolder(folder);
    const window = JSON.parse(Deno.readTextFileSync(`${folder}/${id}`));
    if (window === null) return null;
    const { pid, startTime, environment } = window as Window;
    return typeof pid === "number" && typeof startTime === "string" &&
        typeof environment === "object"
      ? { pid, startTime, environment }
      : undefined;
  } catch {
    return undefined;
  }
}

function remember(
  folder: string | undefined,
  id: string,
  window: Window | null,
): void {
  if (folder === undefined) return;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    assertPrivateFolder(folder);
    forgetOld(folder);
    // The rename is atomic: another hook of the thread may read the file now.
    const made = `${folder}/.${id}.${Deno.pid}`;
    Deno.writeTextFileSync(made, JSON.stringify(window), {
      createNew: true,
      mode: 0o600,
    });
    Deno.renameSync(made, `${folder}/${id}`);
  } catch {
    // The next hook asks the daemon again.
  }
}

/** Empties a full cache; threads that go on are looked up again. */
function forgetOld(folder: string): void {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  if (names.length < REMEMBERED_MAX) return;
  for (const name of names) Deno.removeSync(`${folder}/${name}`);
}
