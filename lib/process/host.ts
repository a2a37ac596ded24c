/**
 * Hosts, and whether a process of this host is alive.
 *
 * A host is a pid namespace within a boot of a machine. Containers and sandboxed
 * shells have hosts of their own. There, a pid of the machine is absent or names
 * another process, so they must not reap sessions of another host.
 *
 * 1. Two processes share a {@linkcode hostId} only if a pid names the same
 *    process for both. If the host is unknown, the id is unique to this process.
 *    Then it cannot check the liveness of others, nor they its own.
 * 2. A process is dead only on proof: its pid is unused, has another start time,
 *    or is a zombie. A process that is hidden, by a missing permission or by
 *    `/proc`, may be alive.
 * 3. A stopped process is alive: its leases decide on its locks.
 *
 * `Deno.kill(pid, 0)` tells whether a pid is in use. The first call is slow, so
 * it is made only for a process that cannot be read.
 *
 * @module
 */

import type { Life, ProcessIdentity } from "../model/process.ts";
import { threadLife } from "./keeper.ts";
import { canTry, isGranted, outputOf } from "./permissions.ts";
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
 * Returns the id of this process's host, equal for all processes that share its
 * pids. The id is computed once. Never throws.
 *
 * - Linux: the boot id and the inode of the pid namespace. The inode of a time
 *   namespace other than the first follows, because start times depend on it.
 * - macOS: the boot session.
 * - Windows: the computer's name and the hour of its start. If the clock is set
 *   across a full hour the id changes, and only leases end sessions.
 * - Other systems, and without permission (on Linux `--allow-all` or
 *   `--allow-run`, on macOS `--allow-run`, on Windows `--allow-sys`): an id that
 *   is unique to this process.
 */
export function hostId(): string {
  id ??= findHost() ?? `${PRIVATE}${crypto.randomUUID()}`;
  return id;
}

/** Prefix of an id that is unique to this process. */
const PRIVATE = "private:";

/**
 * Warns, once in a process, if the death of processes cannot be noticed. Such a
 * program needs a further permission, which the warning names.
 */
export function warnOfUnseenDeaths(warn: (message: string) => void): void {
  if (warnedOfDeaths) return;
  const isPrivate = hostId().startsWith(PRIVATE);
  const checks = isGranted({ name: "run" });
  if (!isPrivate && checks) return;
  warnedOfDeaths = true;
  const unseen = isPrivate
    ? "the death of this program is not noticed by others, nor theirs by it"
    : "the death of other sessions is not noticed by this program";
  const reason = isPrivate && Deno.build.os === "windows"
    ? "it lacks --allow-sys"
    : !checks
    ? "it lacks --allow-run without a list of programs"
    : "this system does not show its processes";
  warn(
    `mbus: ${unseen}, because ${reason}. Locks and claims of a dead session ` +
      `stay until their leases expire. See docs/permissions.md.`,
  );
}

let warnedOfDeaths = false;

/**
 * Returns whether a process of `host` is alive; `unknown` for another host. Pid
 * and start time are compared, or the pid alone if a start time is unknown. The
 * keeper of a session's process is included ({@linkcode threadLife}). Never
 * throws.
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

/** Returns the start time of this process, which is cached. */
function ownStart(): string | undefined {
  started ??= processEntry(Deno.pid)?.startTime;
  return started;
}

let started: string | undefined;

/** Whether a live process could not be read. */
let hidden = false;

/**
 * Returns whether start times could be read so far. Otherwise a reused pid
 * counts as alive, of which a user is warned once.
 */
export function startTimesReadable(): boolean {
  return !hidden && processEntry(Deno.pid) !== undefined;
}

/** Returns whether a pid is in use; undefined without permission. */
function isUsed(pid: number): boolean | undefined {
  if (!canTry({ name: "run" })) return undefined;
  try {
    Deno.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM of the system means that the process exists. A missing permission
    // of Deno throws `NotCapable`.
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

/** The inode of the first time namespace of every Linux. */
const FIRST_TIME_NAMESPACE = "4026531834";

function linuxHost(): string | undefined {
  const boot = procText("/proc/sys/kernel/random/boot_id")?.trim();
  const pids = inodeOf("pid");
  if (!boot || pids === undefined) return undefined;
  const time = inodeOf("time") ?? FIRST_TIME_NAMESPACE;
  const host = `linux:${boot}:${pids}`;
  return time === FIRST_TIME_NAMESPACE ? host : `${host}:${time}`;
}

/** Returns the inode in a namespace link such as `pid:[4026531836]`. */
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
