/**
 * Checks of the machine and the process: SQLite, process identity, file watches.
 *
 * @module
 */

import { watchPath } from "../../store/file_watch.ts";
import { hostId, startTimesReadable } from "../../process/host.ts";
import {
  type Library,
  loadLibrary,
  requestedDriver,
  SQLITE_VERSION_SAFE,
} from "../../sqlite/driver.ts";
import { failBy, type Finding, ok, warn } from "./finding.ts";

// Number of Linux's initial pid namespace.
const FIRST_PID_NAMESPACE = "4026531836";

const WATCH_WAIT_MS = 2_000;

/** Checks the SQLite library, and returns it if it is usable. */
export async function checkLibrary(): Promise<{
  readonly findings: readonly Finding[];
  readonly library?: Library;
}> {
  try {
    const driver = requestedDriver();
    const library = await loadLibrary(driver);
    const db = library.open(":memory:", { timeoutMs: 0 });
    const version = String(db.prepare("SELECT sqlite_version() AS v").get()!.v);
    db.close();
    const message = `driver ${driver}, SQLite ${version}`;
    const finding = isOlder(version, SQLITE_VERSION_SAFE)
      ? warn(
        "sqlite",
        `${message}, which can corrupt a busy database (the WAL-reset bug, fixed in ${SQLITE_VERSION_SAFE})`,
        "use the default driver: unset MBUS_SQLITE_DRIVER",
      )
      : ok("sqlite", message);
    return { findings: [finding], library };
  } catch (error) {
    return { findings: [failBy("sqlite", error)] };
  }
}

function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) =>
    text.split(".").map(Number)
  );
  const at = left.findIndex((part, i) => part !== (right[i] ?? 0));
  return at !== -1 && left[at] < (right[at] ?? 0);
}

/** Checks whether processes can be identified, and whether this is a sandbox. */
export function checkHost(): Finding[] {
  const findings = [checkSandbox()];
  if (!startTimesReadable()) {
    findings.push(warn(
      "processes",
      "the start times of processes cannot be read, so a reused pid counts as alive",
      "run with --allow-all, or allow running ps",
    ));
  }
  return findings;
}

function checkSandbox(): Finding {
  const host = hostId();
  const [system, , namespace] = host.split(":");
  const boxed = system === "linux" && namespace !== FIRST_PID_NAMESPACE;
  const named = Deno.env.get("CODEX_SANDBOX") ?? Deno.env.get("SANDBOX");
  if (host.startsWith("private:")) {
    return warn(
      "host",
      "the host is unknown, so no session is checked by its process",
      "run with --allow-all",
    );
  }
  if (!boxed && named === undefined) {
    return ok("host", `${host}, no sandbox`);
  }
  return ok(
    "host",
    `${host}, in ${
      boxed ? "its own pid namespace" : `the sandbox "${named}"`
    }: sessions outside are checked by their leases`,
  );
}

/** Tests a file watch, in `folder` if it exists. */
export async function checkWatch(folder: string): Promise<Finding> {
  let path: string;
  let temporary: string | undefined;
  try {
    path = `${folder}/doctor-${crypto.randomUUID().slice(0, 8)}`;
    try {
      Deno.writeTextFileSync(path, "", { createNew: true });
    } catch {
      // The bus does not exist or is read-only: a temporary folder is tested.
      temporary = Deno.makeTempDirSync();
      path = `${temporary}/bell`;
      Deno.writeTextFileSync(path, "");
    }
  } catch (error) {
    return warn(
      "watch",
      `file watches cannot be tested: ${String(error)}`,
      "free space for a temporary file",
    );
  }
  try {
    return await tryWatch(path);
  } finally {
    Deno.removeSync(temporary ?? path, { recursive: true });
  }
}

async function tryWatch(path: string): Promise<Finding> {
  const limits = watchLimits();
  let watch: Deno.FsWatcher;
  try {
    watch = watchPath(path);
  } catch (error) {
    return warn(
      "watch",
      `no file watch is available (${
        (error as Error).message
      })${limits}; readers poll every 250 ms`,
      "end programs that watch many files, or raise fs.inotify.max_user_instances with sysctl",
    );
  }
  const timer = setTimeout(() => watch.close(), WATCH_WAIT_MS);
  const began = performance.now();
  Deno.utimeSync(path, new Date(), new Date());
  if (Deno.build.os !== "linux") Deno.writeTextFileSync(path, "1");
  try {
    for await (const _event of watch) {
      const took = (performance.now() - began).toFixed(1);
      return ok("watch", `reported a touch after ${took} ms${limits}`);
    }
  } finally {
    clearTimeout(timer);
  }
  return warn(
    "watch",
    `did not report a touch within ${
      WATCH_WAIT_MS / 1000
    } s${limits}; readers poll every 250 ms`,
    "move the bus to a local disk that reports changes",
  );
}

/** Returns the limits of inotify and this user's instances, as text. */
function watchLimits(): string {
  try {
    const [instances, watches] = ["max_user_instances", "max_user_watches"].map(
      (name) => Deno.readTextFileSync(`/proc/sys/fs/inotify/${name}`).trim(),
    );
    return `; inotify: ${countInstances()} of ${instances} instances, ${watches} watches`;
  } catch {
    return "";
  }
}

function countInstances(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Deno.statSync(`/proc/${name}`).uid !== Deno.uid()) continue;
      for (const fd of Deno.readDirSync(`/proc/${name}/fd`)) {
        const link = readLink(`/proc/${name}/fd/${fd.name}`);
        if (link === "anon_inode:inotify") count++;
      }
    } catch {
      // The process has ended, or belongs to another user.
    }
  }
  return count;
}

function readLink(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}
