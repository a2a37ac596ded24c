/**
 * The folders in which the guard's hooks are: the one in which git looks, and
 * those in which git looked before.
 *
 * | `core.hooksPath` | git looks in |
 * | --- | --- |
 * | not set | `hooks` of the common directory: one folder for all worktrees |
 * | relative (`.husky/_`) | that path below the root of each worktree |
 * | absolute | that folder, which other repositories may use, too |
 *
 * Git is asked, because the setting may stand in any configuration: of the
 * worktree, the repository, the user or the system, or in an included file.
 *
 * @module
 */

import { git } from "../git.ts";
import { folderOf, pathOutside } from "../../install/text_file.ts";
import { RefusalError } from "../refusal.ts";
import { visible } from "../output/visible_text.ts";

/** The folders in which the guard's hooks are. */
export interface HookPlace {
  /** The folder in which git looks for hooks, called from here. */
  readonly folder: string;
  /** Whether other repositories may use that folder, too. */
  readonly shared: boolean;
  /** The root of the worktree, or the bare repository: where hooks run. */
  readonly top: string;
  /** The setting that names the folder, for people; absent by default. */
  readonly setting?: string;
  /** Folders of this repository in which git looked before, or does elsewhere. */
  readonly others: readonly string[];
}

// The folder in which husky puts its hooks since version 9.
const HUSKY = ".husky/_";

/**
 * Finds the folders.
 *
 * @throws {RefusalError} If this is not a repository, or if the folder leads
 * out of it through a link that is one of its files.
 */
export async function hookPlace(act: string): Promise<HookPlace> {
  const ask = async (folder: string | undefined, ...args: string[]) =>
    (await git(["rev-parse", ...args], { folder, act })).replace(/\n$/, "");
  const common = Deno.realPathSync(
    await ask(undefined, "--path-format=absolute", "--git-common-dir"),
  );
  const bare = await ask(undefined, "--is-bare-repository") === "true";
  const top = bare ? common : await ask(undefined, "--show-toplevel");
  // The path of a hook, as git runs it; a relative one is one below the top.
  const given = folderOf(await ask(top, "--git-path", "hooks/pre-commit"))
    .replace(/(?<=.)\/+$/, "");
  const folder = isAbsolute(given) ? given : `${top}/${given}`;
  const setting = await settingOf(top, act);
  const leads = pathOutside(top, folder);
  const shared = leads !== undefined &&
    pathOutside(common, folder) !== undefined;
  // A repository brings its links along, but not its configuration.
  const isLinked = setting !== undefined && !isAbsolute(setting.path) &&
    !setting.path.split("/").includes("..");
  if (shared && isLinked) throw linkedOut(act, folder, leads);
  const roots = bare ? [] : await worktrees(top, act);
  const relative = setting !== undefined && !isAbsolute(setting.path)
    ? [setting.path]
    : [];
  const others = [
    `${common}/hooks`,
    ...roots.flatMap((root) =>
      [...relative, HUSKY].map((path) => `${root}/${path}`)
        .filter((path) =>
          isFolder(path) && pathOutside(root, path) === undefined
        )
    ),
  ];
  return {
    folder,
    shared,
    top,
    ...(setting !== undefined && { setting: setting.text }),
    others: [...new Set(others)].filter((path) => path !== folder),
  };
}

/** The worktrees that exist. */
async function worktrees(top: string, act: string): Promise<string[]> {
  const listed = await git(["worktree", "list", "--porcelain"], {
    folder: top,
    act,
  });
  return [...listed.matchAll(/^worktree (.+)$/gm)].map(([, root]) => root)
    .filter(isFolder);
}

/** Returns `core.hooksPath`, and for people the scope in which it is set. */
async function settingOf(
  top: string,
  act: string,
): Promise<{ readonly path: string; readonly text: string } | undefined> {
  const listed = await git([
    "config",
    "--show-scope",
    "--type=path",
    "-z",
    "--get-regexp",
    "^core\\.hookspath$",
  ], { folder: top, act, none: 1 });
  // Of several the last one holds: scope, NUL, name, line break, value, NUL.
  const [scope, entry] = listed.split("\0").slice(-3);
  if (entry === undefined) return undefined;
  const path = entry.slice(entry.indexOf("\n") + 1);
  return { path, text: `core.hooksPath (${scope}) is ${path}` };
}

function linkedOut(act: string, folder: string, leads: string): RefusalError {
  return new RefusalError(
    `Cannot ${act}: ${visible(folder)} leads through a link to ` +
      `${visible(leads)}, outside of this repository; remove the link, or ` +
      `name that folder in core.hooksPath.`,
  );
}

function isAbsolute(path: string): boolean {
  return /^(\/|[A-Za-z]:[\\/])/.test(path);
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
