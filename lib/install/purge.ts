/**
 * Purging: removes the bus folder and `mbus` itself for good.
 *
 * - It needs a person's consent, and no living session or waiting process: the
 *   session's locks and messages would be lost without notice.
 * - Only files with our names are removed; other files stay and are listed.
 * - No link is followed, because it may lead anywhere.
 * - After the sessions were listed, files in `db/` are unlinked and not opened.
 *
 * @module
 */

import { MessageBusError } from "../model/errors.ts";
import { sqliteHome } from "../store/url.ts";
import { type Session, STALE_AFTER_MS } from "../model/session.ts";
import { waitingProcesses } from "../sqlite/bells.ts";
import { locateBus } from "../sqlite/location.ts";
import { type GlobalValues, UsageError } from "../cli/arguments.ts";
import {
  installPaths,
  launcherOwner,
  removeInstalled,
} from "../packaging/install_paths.ts";
import { openBusFor } from "../cli/open.ts";
import { RefusalError } from "../cli/refusal.ts";
import { processContext } from "../cli/process_context.ts";
import { visible } from "../cli/output/visible_text.ts";
import { canAsk } from "./consent.ts";
import { onPath } from "./found.ts";
import type { Leftover } from "./leftovers.ts";
import { folderOf, removeEmptyFolders, removeFile } from "./text_file.ts";

/** The names of our files, by folder below the bus folder. */
const OURS: readonly (readonly [string, RegExp])[] = [
  ["/db", /^messaging\.db(-wal|-shm|-journal)?$/],
  ["/bells", /^\d+-[0-9a-f]{8}$/],
  ["", /^(turn|hooks\.log(\.1)?)$/],
];

/** The options that concern purging. */
interface PurgeOptions extends GlobalValues {
  readonly "dry-run": boolean;
  readonly force: boolean;
  readonly yes: boolean;
}

/**
 * Throws unless the bus may be purged.
 *
 * @throws {UsageError} If consent is missing and no person can be asked.
 * @throws {RefusalError} If a session is living, a process waits for messages, or
 * the person says no.
 */
export async function assertMayPurge(options: PurgeOptions): Promise<void> {
  const { home } = locateBus(sqliteHome({ home: options.home }));
  if (isLink(home)) {
    throw new RefusalError(
      `Cannot purge the bus: ${home} is a link. Purge its target with ` +
        `--home, then remove the link.`,
    );
  }
  if (!options.force) await assertNotInUse(home, options);
  if (options["dry-run"] || options.yes) return;
  if (!canAsk(options)) {
    throw new UsageError(
      "yes",
      `Cannot run "uninstall": --purge removes ${home} with all its content ` +
        "for good, and needs consent. Write --yes to confirm.",
    );
  }
  const question = `Remove ${visible(home)} and mbus itself for good?`;
  if (!confirm(question)) {
    throw new RefusalError("Nothing was done: you declined to purge.");
  }
}

async function assertNotInUse(
  home: string,
  options: PurgeOptions,
): Promise<void> {
  if (!exists(`${home}/db/messaging.db`)) return;
  let living: Session[];
  let waiting: number[];
  try {
    living = await livingSessions(options);
    waiting = waitingProcesses(locateBus(home));
  } catch (error) {
    if (!(error instanceof MessageBusError)) throw error;
    throw new RefusalError(
      `Cannot purge the bus: its sessions are unknown, because mbus ` +
        `${
          error.message.replace(/^C/, "c")
        } If no session is active, write --force.`,
      { cause: error },
    );
  }
  if (living.length === 0 && waiting.length > 0) {
    throw new RefusalError(
      `Cannot purge the bus: ${waiting.length} ${
        waiting.length === 1 ? "process waits" : "processes wait"
      } on it, such as "mbus tail" (pid ${
        waiting.slice(0, 5).join(", ")
      }). End them, or write --force.`,
    );
  }
  if (living.length === 0) return;
  const names = living.slice(0, 5).map(({ id }) => id).join(", ");
  throw new RefusalError(
    `Cannot purge the bus: ${living.length} living session${
      living.length === 1 ? " is" : "s are"
    } on it (${names}). End them, or write --force.`,
  );
}

/** Returns other sessions that live, or may live with a recent heartbeat. */
async function livingSessions(options: PurgeOptions): Promise<Session[]> {
  await using opened = await openBusFor(options);
  const { lifeOf } = processContext(undefined, []);
  const self = opened.identity.joined?.id;
  const all = await opened.bus.sessions.list({ allProjects: true });
  return all.filter((session) => {
    if (session.id === self) return false;
    const life = lifeOf(session);
    const age = Date.now() - Date.parse(session.heartbeatAt);
    return life === "alive" || (life === "unknown" && age < STALE_AFTER_MS);
  });
}

/** Removes our files in the bus folder, and its folders if they are empty. */
export function purgeBus(
  home: string | undefined,
  root: string,
  isDryRun: boolean,
): Leftover[] {
  const folder = locateBus(sqliteHome({ home })).home;
  const path = folder;
  if (!exists(folder)) return [];
  if (isDryRun) return [{ part: "bus", path, done: "removed", dryRun: true }];
  try {
    for (const [below, names] of OURS) clear(`${folder}${below}`, names);
    for (const each of ["/db", "/bells", ""]) removeIfEmpty(folder + each);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === undefined) throw error;
    return [{
      part: "bus",
      path,
      done: "failed",
      message: `Cannot remove ${folder}: the system denies it (${message}). ` +
        "Remove it yourself.",
    }];
  }
  const rest = exists(folder) ? namesIn(folder, folder) : [];
  if (rest.length > 0) {
    const message = `it contains files that are not from mbus: ${
      rest.join(", ")
    }`;
    return [{ part: "bus", path, done: "kept", message }];
  }
  removeEmptyFolders(folder, root);
  return [{ part: "bus", path, done: "removed" }];
}

/** Removes the `mbus` of `deno task install`, if it is ours. */
export function purgeLauncher(root: string, isDryRun: boolean): Leftover[] {
  const places = installPaths();
  const { launcher, data } = places;
  const told: Leftover[] = [];
  const part = "launcher";
  if (launcherOwner(launcher) === "foreign") {
    const message = "it is another program's";
    told.push({ part, path: launcher, done: "kept", message });
  } else if (isDryRun) {
    for (const path of [launcher, data].filter(exists)) {
      told.push({ part, path, done: "removed", dryRun: true });
    }
  } else {
    for (const path of removeInstalled(places)) {
      told.push({ part, path, done: "removed" });
      removeEmptyFolders(path, root);
    }
  }
  const other = onPath(["mbus"]);
  const isOther = other !== undefined && other !== launcher &&
    launcherOwner(other) === "ours";
  if (isOther) {
    const message = `"deno task install --bin '${folderOf(other)}' --remove" ` +
      "in the checkout removes it";
    told.push({ part, path: other, done: "kept", message });
  }
  return told;
}

/** Removes the files with such names from a folder. */
function clear(folder: string, names: RegExp): void {
  if (!isFolder(folder)) return;
  for (const { name, isFile } of [...Deno.readDirSync(folder)]) {
    if (isFile && names.test(name)) removeFile(`${folder}/${name}`);
  }
}

function removeIfEmpty(folder: string): void {
  if (isFolder(folder) && [...Deno.readDirSync(folder)].length === 0) {
    Deno.removeSync(folder);
  }
}

/** Lists the content of a folder, relative to `top`. */
function namesIn(folder: string, top: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    const below = isDirectory ? namesIn(path, top) : [];
    return below.length > 0 ? below : [path.slice(top.length + 1)];
  }).slice(0, NAMES_MAX);
}

const NAMES_MAX = 10;

function exists(path: string): boolean {
  return infoOf(path) !== undefined;
}

function isFolder(path: string): boolean {
  return infoOf(path)?.isDirectory === true;
}

function isLink(path: string): boolean {
  return infoOf(path)?.isSymlink === true;
}

/** Returns the entry at a path without following a link. */
function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
