/**
 * Where a pid means something, and whether one still does.
 *
 * A host is a boot of a machine and a pid namespace of it. Containers and
 * sandboxed shells have hosts of their own. They see every pid of the machine
 * as dead, or as another process, and must reap no session of another host.
 *
 * What it keeps true, and why:
 *
 * 1. Two processes have one {@linkcode hostId} only if a pid means the same to
 *    both. Where that cannot be found out, the id is this process's own, so
 *    that it judges nobody and nobody judges it.
 * 2. A process is called dead only on proof: the system knows no such pid, or
 *    another process has it (the start time differs), or it has ended and only
 *    waits for its parent to take note (a zombie, holding nothing any more).
 *    What cannot be seen, for want of a permission or because `/proc` hides
 *    other people's processes, may well live.
 * 3. A stopped process is alive: its lease decides about what it holds.
 *
 * `Deno.kill(pid, 0)` says whether a pid is in use; the first call costs 2 ms,
 * so it is made only when nothing is seen.
 *
 * @module
 */

import type { Life, ProcessIdentity } from "../model/process.ts";
import { threadLife } from "./keeper.ts";
import { canTry, outputOf } from "./permissions.ts";
import { isPid } from "./process_entry.ts";
import { processEntry } from "./processes.ts";
import { procLink, procText } from "./procfs.ts";

export type { ProcessEntry } from "./process_entry.ts";
export {
  ancestors,
  processStart,
  type TerminalLeader,
  terminalLeader,
} from "./processes.ts";
export {
  type AgentMarkers,
  type AgentProcess,
  type AgentVendor,
  callingProcess,
  isPassing,
  nearestAgent,
  windowProcess,
} from "./agent_process.ts";

let id: string | undefined;

/**
 * Names the host of this process, the same for all processes to whom a pid
 * means the same. Found once for a process. Never throws.
 *
 * - Linux: boot id, inode of the pid namespace and, if it is not the first one,
 *   of the time namespace, as start times are counted in there.
 * - macOS: the boot session.
 * - Windows: the computer's name and the hour it was started in. Where the
 *   clock is set across a full hour it changes, and processes live by their
 *   leases for a while.
 * - Elsewhere, and without the permissions to find out (on Linux
 *   `--allow-all` or `--allow-run`, on macOS `--allow-run`, on Windows
 *   `--allow-sys`): an id of this process alone.
 */
export function hostId(): string {
  id ??= findHost() ?? `private:${crypto.randomUUID()}`;
  return id;
}

/**
 * Judges a process of `host` from here: only one of our own host, by pid and
 * start time, by its pid alone where either start time is not known. A session's
 * process is judged with its keeper ({@linkcode threadLife}). Never throws.
 */
export function processAlive(identity: ProcessIdentity, host: string): Life {
  const life = pidAlive(identity, host);
  const thread = identity.keeper?.codex;
  if (thread === undefined || life === "unknown") return life;
  if (life === "alive" && identity.pid !== thread.daemon.pid) return life;
  return threadLife(
    identity,
    thread,
    identity.isIdle ?? false,
    (process) => pidAlive(process, host),
  );
}

function pidAlive(identity: ProcessIdentity, host: string): Life {
  const { pid, startTime } = identity;
  if (host !== hostId() || !isPid(pid)) return "unknown";
  if (pid === Deno.pid && startTime !== "" && startTime === ownStart()) {
    return "alive";
  }
  const entry = processEntry(pid);
  if (entry === undefined) {
    const used = isUsed(pid);
    if (used) hidden = true;
    return used === undefined ? "unknown" : used ? "alive" : "dead";
  }
  if (startTime !== "" && startTime !== entry.startTime) return "dead";
  return /[ZXx]/.test(entry.state) ? "dead" : "alive";
}

/** When this process started; it does not change, and is asked for often. */
function ownStart(): string | undefined {
  started ??= processEntry(Deno.pid)?.startTime;
  return started;
}

let started: string | undefined;

/** Whether a living process was met that could not be seen. */
let hidden = false;

/**
 * Whether start times can be read here, and could be so far: if not, a pid in
 * use by another process than before counts as alive. For saying so once.
 */
export function startTimesReadable(): boolean {
  return !hidden && processEntry(Deno.pid) !== undefined;
}

/** Whether a pid is in use; `undefined` if that may not be asked. */
function isUsed(pid: number): boolean | undefined {
  if (!canTry({ name: "run" })) return undefined;
  try {
    Deno.kill(pid, 0);
    return true;
  } catch (error) {
    // The system's own refusal (EPERM) means that there is somebody; Deno's
    // is of another class.
    if (error instanceof Deno.errors.PermissionDenied) return true;
    if (error instanceof Deno.errors.NotFound) return false;
    return undefined;
  }
}

function findHost(): string | undefined {
  switch (Deno.build.os) {
    case "linux":
    case "android":
      return linuxHost();
    case "darwin": {
      const session = outputOf("sysctl", ["-n", "kern.bootsessionuuid"]);
      return session ? `darwin:${session.trim()}` : undefined;
    }
    case "windows":
      return windowsHost();
    default:
      return undefined;
  }
}

/** The first time namespace of every Linux has this inode. */
const FIRST_TIME_NAMESPACE = "4026531834";

function linuxHost(): string | undefined {
  const boot = procText("/proc/sys/kernel/random/boot_id")?.trim();
  const pids = inodeOf("pid");
  if (!boot || pids === undefined) return undefined;
  const time = inodeOf("time") ?? FIRST_TIME_NAMESPACE;
  const host = `linux:${boot}:${pids}`;
  return time === FIRST_TIME_NAMESPACE ? host : `${host}:${time}`;
}

/** The inode of a namespace of this process, from a link `pid:[4026531836]`. */
function inodeOf(namespace: string): string | undefined {
  const link = procLink(`/proc/self/ns/${namespace}`) ?? "";
  return /^\w+:\[(\d+)\]$/.exec(link)?.[1];
}

function windowsHost(): string | undefined {
  try {
    const startedMs = Date.now() - Deno.osUptime() * 1000;
    return `windows:${Deno.hostname()}:${Math.floor(startedMs / 3_600_000)}`;
  } catch {
    return undefined;
  }
}
