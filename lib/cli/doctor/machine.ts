/**
 * Whether this machine and this process will do: SQLite, process identity,
 * file watches.
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

// The pid namespace that a Linux starts with.
const FIRST_PID_NAMESPACE = "4026531836";

const WATCH_WAIT_MS = 2_000;

/** Looks at the SQLite library; returns it if it can be used. */
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
    const told = `driver ${driver}, SQLite ${version}`;
    const finding = isOlder(version, SQLITE_VERSION_SAFE)
      ? warn(
        "sqlite",
        `${told}, which can corrupt a busy database (the WAL-reset bug, fixed in ${SQLITE_VERSION_SAFE})`,
        "use the default driver: unset MBUS_SQLITE_DRIVER",
      )
      : ok("sqlite", told);
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

/** Looks at where a pid means something, and whether we are boxed in. */
export function checkHost(): Finding[] {
  const findings = [checkSandbox()];
  if (!startTimesReadable()) {
    findings.push(warn(
      "processes",
      "the start times of processes cannot be read, so a pid that is used again counts as alive",
      "run with --allow-all, or allow to run ps",
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
      "the host cannot be told, so no session is judged by its process",
      "run with --allow-all",
    );
  }
  if (!boxed && named === undefined) {
    return ok("host", `${host}, no sandbox seen`);
  }
  return ok(
    "host",
    `${host}, in ${
      boxed ? "a pid namespace of its own" : `the sandbox "${named}"`
    }: sessions outside are judged by their leases`,
  );
}

/** Tries a file watch, in `folder` if it is there. */
export async function checkWatch(folder: string): Promise<Finding> {
  let path: string;
  let temporary: string | undefined;
  try {
    path = `${folder}/doctor-${crypto.randomUUID().slice(0, 8)}`;
    try {
      Deno.writeTextFileSync(path, "", { createNew: true });
    } catch {
      // No bus yet, or one that may only be read: the system is asked elsewhere.
      temporary = Deno.makeTempDirSync();
      path = `${temporary}/bell`;
      Deno.writeTextFileSync(path, "");
    }
  } catch (error) {
    return warn(
      "watch",
      `it cannot be tried: ${String(error)}`,
      "make room for a temporary file",
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
      `none can be had (${
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
      return ok("watch", `a touch was seen after ${took} ms${limits}`);
    }
  } finally {
    clearTimeout(timer);
  }
  return warn(
    "watch",
    `a touch was not seen within ${
      WATCH_WAIT_MS / 1000
    } s${limits}; readers poll every 250 ms`,
    "keep the bus on a local disk that reports changes",
  );
}

/** How many watches there may be, and how many of this user's there are. */
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
      // It has ended, or is not ours to look into.
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
