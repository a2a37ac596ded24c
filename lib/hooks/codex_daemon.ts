/**
 * Threads of Codex whose hooks and shells run below its shared daemon.
 *
 * A plainly started Codex runs its threads in one background process per
 * CODEX_HOME, whatever window they belong to. That daemon keeps the environment
 * of the window that started it. So what a hook or shell inherits is hearsay:
 *
 * | what | is taken from |
 * | --- | --- |
 * | the session | the thread's id |
 * | its process | the thread's window, which the daemon knows by a port |
 * | where the bus is | the command's own `MBUS_HOME=…`, else the window's environment |
 * | `MBUS_SESSION` | nowhere |
 *
 * What is seen here is not documented. Where a name or a file is missing, a
 * session is what it would be without a daemon.
 *
 * Finding a window takes longer than a hook may, so it is remembered in the
 * daemon's bus folder, and asked for again at a session's start and at a prompt
 * if it is gone.
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

/** A thread that runs us, below the daemon of its Codex. */
export interface BelowDaemon {
  /** The thread. */
  readonly thread: CodexThread;
  /** Its window's process, else the daemon's. */
  readonly process: KeeperProcess;
  /** Whether that is the window's. */
  readonly hasWindow: boolean;
}

/** Variables, by their names. */
export type Environment = Readonly<Record<string, string>>;

/** What is remembered of a thread's window. */
interface Window extends KeeperProcess {
  /** What of its environment concerns the bus. */
  readonly environment: Environment;
}

/** When a thread's window is asked for that is remembered. */
export type Look =
  /** Always: the thread was loaded just now. */
  | "always"
  /** If the one that is remembered is gone. */
  | "if-gone"
  /** Never: whose window is gone may have a turn under way. */
  | "never";

// What says where the bus is, and how it is used.
const OF_THE_BUS =
  /^(MBUS_\w+|CODITECT_HOME|HOME|XDG_STATE_HOME|XDG_CONFIG_HOME)$/;

// Would name another agent, or a session that is not the thread's.
const HEARSAY = ["MBUS_SESSION", "CLAUDE_PID", "OPENCODE_PID"];

/**
 * The thread that runs us, if it does so below a daemon; then the variables of
 * its window are put in place of the daemon's.
 *
 * @param home The folder of that Codex.
 * @param id The thread's id.
 * @param look When to look for a window that is remembered.
 */
export async function belowDaemon(
  home: string,
  id: string,
  look: Look,
): Promise<BelowDaemon | undefined> {
  const daemon = daemonAbove(home);
  if (daemon === undefined || !isThreadId(id)) return undefined;
  const thread: CodexThread = { home, id, daemon };
  // By the variables that all threads have in common, before they are changed.
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
  // One that died may be all that says which bus it was on.
  const latest = window ?? known ?? null;
  if (latest === null || latest !== known) remember(folder, thread.id, latest);
  return latest ?? undefined;
}

/**
 * The daemon of the Codex in `home`, if it is among those that started us. Its
 * file alone proves nothing: it is left behind by a daemon that was killed.
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
    // There is none, or it is another version's.
    return undefined;
  }
}

function isManagedDaemon({ arguments: words }: ProcessEntry): boolean {
  return words.includes("app-server") && words.includes("--managed-daemon");
}

/** What of a process's environment concerns the bus; empty if it is hidden. */
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

/** Puts the window's variables in place of those that came from the daemon. */
function adopt(window: Environment, inherited: Environment): void {
  for (const name of [...Object.keys(window), ...Object.keys(inherited)]) {
    const own = Deno.env.get(name);
    // Set on the command line of the hook, or by the shell's configuration.
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

// ——— what is remembered ———

const REMEMBERED_MAX = 200;

function windowsFolder(): string | undefined {
  try {
    return `${locateBus().home}/codex-windows`;
  } catch {
    // The daemon's environment names no bus.
    return undefined;
  }
}

/** A thread's window; null if it was not found, undefined if not looked for. */
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
    // Whole or not at all: another hook of the thread may read it now.
    const made = `${folder}/.${id}.${Deno.pid}`;
    Deno.writeTextFileSync(made, JSON.stringify(window), {
      createNew: true,
      mode: 0o600,
    });
    Deno.renameSync(made, `${folder}/${id}`);
  } catch {
    // It is asked for again at the next step.
  }
}

/** Threads of old are asked for again if they go on. */
function forgetOld(folder: string): void {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  if (names.length < REMEMBERED_MAX) return;
  for (const name of names) Deno.removeSync(`${folder}/${name}`);
}
