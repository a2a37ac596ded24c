/**
 * Purging: the bus folder and `mbus` itself are removed, for good.
 *
 * - Only with a person's yes, and not under the feet of living sessions: what
 *   they hold and what was sent to them would be gone without a word.
 * - Only files that are ours by name; what else is there stays, and is named.
 * - No link is followed: what lies behind it may be anything.
 * - Nothing in `db/` is opened once the sessions were looked up, only unlinked.
 *
 * @module
 */

import { MessageBusError } from "../model/errors.ts";
import { sqliteHome } from "../store/url.ts";
import { type Session, STALE_AFTER_MS } from "../model/session.ts";
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
import type { Remains } from "./remains.ts";
import { folderOf, removeEmptyFolders, removeFile } from "./text_file.ts";

/** What is ours in the bus folder, by the folder it is in. */
const OURS: readonly (readonly [string, RegExp])[] = [
  ["/db", /^messaging\.db(-wal|-shm|-journal)?$/],
  ["/bells", /^\d+-[0-9a-f]{8}$/],
  ["", /^(turn|hooks\.log(\.1)?)$/],
];

/** What the command line says about purging. */
interface PurgeOptions extends GlobalValues {
  readonly "dry-run": boolean;
  readonly force: boolean;
  readonly yes: boolean;
}

/**
 * Makes sure that the bus may be purged.
 *
 * @throws {UsageError} If nobody has said so, or can be asked.
 * @throws {RefusalError} If it may not be, or the person says no.
 */
export async function agreeToPurge(options: PurgeOptions): Promise<void> {
  const { home } = locateBus(sqliteHome({ home: options.home }));
  if (isLink(home)) {
    throw new RefusalError(
      `Cannot purge the bus: ${home} is a link; purge what it leads to with ` +
        `--home, then remove the link.`,
    );
  }
  if (!options.force) await assertNotInUse(home, options);
  if (options["dry-run"] || options.yes) return;
  if (!canAsk(options)) {
    throw new UsageError(
      "yes",
      `Cannot run "uninstall": --purge removes ${home} and all that is in it ` +
        "for good; write --yes if that is what you want.",
    );
  }
  const question = `Remove ${visible(home)} and mbus itself for good?`;
  if (!confirm(question)) {
    throw new RefusalError("Nothing was done: you said no to purging.");
  }
}

async function assertNotInUse(
  home: string,
  options: PurgeOptions,
): Promise<void> {
  if (!exists(`${home}/db/messaging.db`)) return;
  let living: Session[];
  try {
    living = await livingSessions(options);
  } catch (error) {
    if (!(error instanceof MessageBusError)) throw error;
    throw new RefusalError(
      `Cannot purge the bus: who is on it cannot be found out, as mbus ` +
        `${error.message.replace(/^C/, "c")} If nobody is, write --force.`,
      { cause: error },
    );
  }
  if (living.length === 0) return;
  const names = living.slice(0, 5).map(({ id }) => id).join(", ");
  throw new RefusalError(
    `Cannot purge the bus: ${living.length} living session${
      living.length === 1 ? " is" : "s are"
    } on it (${names}); end them, or write --force.`,
  );
}

/** The sessions of others that live, or that may and gave a sign lately. */
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

/** Removes what is ours in the bus folder, and the folders if nothing else is. */
export function purgeBus(
  home: string | undefined,
  root: string,
  isDryRun: boolean,
): Remains[] {
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
      message: `Cannot remove ${folder}: the system refuses it (${message}); ` +
        "remove it yourself.",
    }];
  }
  const rest = exists(folder) ? namesIn(folder, folder) : [];
  if (rest.length > 0) {
    const message = `this in it is not of mbus: ${rest.join(", ")}`;
    return [{ part: "bus", path, done: "kept", message }];
  }
  removeEmptyFolders(folder, root);
  return [{ part: "bus", path, done: "removed" }];
}

/** Removes the `mbus` of `deno task install`, if it is ours. */
export function purgeLauncher(root: string, isDryRun: boolean): Remains[] {
  const places = installPaths();
  const { launcher, data } = places;
  const told: Remains[] = [];
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

/** Removes the files with such names from a folder that is one. */
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

/** What is in a folder, from its top. */
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

/** What is there, no link followed. */
function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
