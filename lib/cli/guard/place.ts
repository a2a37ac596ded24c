/**
 * Folders of the guard's hooks: the current one of git, and earlier ones.
 *
 * | `core.hooksPath` | folder of git's hooks |
 * | --- | --- |
 * | not set | `hooks` of the common directory: one folder for all worktrees |
 * | relative (`.husky/_`) | that path below the root of each worktree |
 * | absolute | that folder, which other repositories may use, too |
 *
 * Git reports the folder, because the setting may be in any configuration: of the
 * worktree, the repository, the user or the system, or in an included file.
 *
 * @module
 */

import { git } from "../git.ts";
import { folderOf, pathOutside } from "../../install/text_file.ts";
import { RefusalError } from "../refusal.ts";
import { visible } from "../output/visible_text.ts";

/** Folders of the guard's hooks. */
export interface HookPlace {
  /** Folder in which git looks for hooks in this worktree. */
  readonly folder: string;
  /** Whether other repositories may use that folder, too. */
  readonly shared: boolean;
  /** Working folder of hooks: the worktree's root, or the bare repository. */
  readonly top: string;
  /** Setting that names the folder, for people; absent by default. */
  readonly setting?: string;
  /** Further folders of this repository's hooks: earlier, or of other worktrees. */
  readonly others: readonly string[];
}

// Folder of husky's hooks from version 9 on.
const HUSKY = ".husky/_";

/**
 * Finds the folders of the guard's hooks.
 *
 * @param act Verb and object of errors, such as `install the guard`.
 * @throws {RefusalError} If this is not a repository, or if a link among its files
 * leads the folder out of it.
 */
export async function hookPlace(act: string): Promise<HookPlace> {
  const ask = async (folder: string | undefined, ...args: string[]) =>
    (await git(["rev-parse", ...args], { folder, act })).replace(/\n$/, "");
  const common = Deno.realPathSync(
    await ask(undefined, "--path-format=absolute", "--git-common-dir"),
  );
  const bare = await ask(undefined, "--is-bare-repository") === "true";
  const top = bare ? common : await ask(undefined, "--show-toplevel");
  // Git prints the path that it runs; a relative one starts at the top.
  const given = folderOf(await ask(top, "--git-path", "hooks/pre-commit"))
    .replace(/(?<=.)\/+$/, "");
  const folder = isAbsolute(given) ? given : `${top}/${given}`;
  const setting = await settingOf(top, act);
  const leads = pathOutside(top, folder);
  const shared = leads !== undefined &&
    pathOutside(common, folder) !== undefined;
  // A clone gets links of the repository, but not its configuration.
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

/** Returns the roots of the worktrees that exist. */
async function worktrees(top: string, act: string): Promise<string[]> {
  const listed = await git(["worktree", "list", "--porcelain"], {
    folder: top,
    act,
  });
  return [...listed.matchAll(/^worktree (.+)$/gm)].map(([, root]) => root)
    .filter(isFolder);
}

/** Returns `core.hooksPath`, and a text with its scope for people. */
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
  // The last of several applies: scope, NUL, name, line break, value, NUL.
  const [scope, entry] = listed.split("\0").slice(-3);
  if (entry === undefined) return undefined;
  const path = entry.slice(entry.indexOf("\n") + 1);
  return { path, text: `core.hooksPath (${scope}) is ${path}` };
}

function linkedOut(act: string, folder: string, leads: string): RefusalError {
  return new RefusalError(
    `Cannot ${act}: ${visible(folder)} is a link to ${visible(leads)}, ` +
      `outside of this repository. Remove the link, or set core.hooksPath to ` +
      `that folder.`,
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
