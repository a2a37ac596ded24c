/**
 * Finds the git repository of a folder by reading a few small files, because
 * starting `git` would dominate the cost of a hook.
 *
 * The folder and then each parent is searched for:
 *
 * | found | git directory | common directory |
 * | --- | --- | --- |
 * | `.git/` with a `HEAD` | itself | itself |
 * | `.git`, a file `gitdir: …`: a worktree | the one named | the one named in `commondir`, if it lists the worktree |
 * | the same: a submodule, or `--separate-git-dir` | the one named | the same |
 * | a folder with `HEAD`, `objects` and `refs`: bare | the folder | the folder |
 *
 * 1. All worktrees of a repository have one project; two repositories never
 *    do. The project is the real path of the common directory without a final
 *    `/.git`. So a folder keeps its name when it becomes a repository. Only that
 *    ending is removed: two bare repositories (`/srv/a.git`, `/srv/b.git`) share
 *    a parent, and a submodule's directory (`/a/.git/modules/b`) lies in another
 *    repository.
 * 2. A broken `.git` file ends the search, as in git: the folder is a project of
 *    its own, not part of its parent's.
 * 3. A folder belongs to a repository elsewhere only if that repository lists
 *    it: in `worktrees/‹name›/gitdir` a worktree, in `core.worktree` a
 *    submodule. A copied or unpacked folder cannot forge that. Git keeps no such
 *    link for `--separate-git-dir`: there the directory must not be another
 *    folder's `.git`, and not bare.
 * 4. Another user may control every file here. It is read only if it is regular
 *    and small, and no error quotes it (`small_file.ts`).
 * 5. The environment is ignored. `GIT_DIR` and `GIT_WORK_TREE` belong to one
 *    command (git sets them for its hooks) and must not move a session to
 *    another project. Owners and mount points are ignored, too: git checks them
 *    because it runs commands from a repository's configuration.
 *
 * @module
 */

import { ExpiringCache } from "./expiring_cache.ts";
import { keyOf } from "./case_rules.ts";
import { joined, lastName, parentOf } from "./path_text.ts";
import { entryAt, type RealPath, realPathOf } from "./paths.ts";
import { readSmallFile } from "./small_file.ts";

/** The repository and worktree of a folder. */
export interface Repository {
  /** The name of the project, see {@linkcode projectName}. */
  readonly project: string;
  /** The root of the worktree, or the bare repository itself. */
  readonly worktree: string;
  /** The folder of the worktree's HEAD; absent if `.git` is broken. */
  readonly gitFolder?: string;
  /** The folder that all worktrees share; absent if `.git` is broken. */
  readonly commonFolder?: string;
  /** Whether the repository is bare. */
  readonly bare: boolean;
}

/** Repositories by folder; null outside of a repository. */
const repositories = new ExpiringCache<Repository | null>();

/**
 * Returns the repository of an existing folder, a canonical path; undefined
 * outside of a repository.
 *
 * @throws {Deno.errors.NotCapable} Without `--allow-read`.
 */
export function repositoryOf(folder: string): Repository | undefined {
  let repository = repositories.get(folder);
  if (repository === undefined) {
    repository = search(folder) ?? null;
    repositories.set(folder, repository);
  }
  return repository ?? undefined;
}

/** Returns the branch of a worktree; undefined on a detached HEAD. */
export function branchOf(repository: Repository): string | undefined {
  if (repository.gitFolder === undefined) return undefined;
  return branchIn(textIn(joined(repository.gitFolder, "HEAD")));
}

/**
 * Returns the branch at the root of a worktree, usually from one file. `branch`
 * is undefined on a detached HEAD, the result outside of a repository.
 */
export function headAt(
  worktree: string,
): { readonly branch: string | undefined } | undefined {
  const head = textIn(joined(worktree, ".git/HEAD"));
  if (head !== undefined) return { branch: branchIn(head) };
  const repository = repositoryOf(worktree);
  return repository?.gitFolder === undefined
    ? undefined
    : { branch: branchOf(repository) };
}

function branchIn(head: string | undefined): string | undefined {
  const branch = head === undefined
    ? undefined
    : /^ref: refs\/heads\/(.+?)\s*$/.exec(head)?.[1];
  // With reftables the file holds this placeholder.
  return branch === ".invalid" ? undefined : branch;
}

/** Returns the project of a common directory, or of a folder without git. */
export function projectName(real: RealPath): string {
  // Elsewhere the system returns existing names as they are on disk.
  const path = Deno.build.os === "linux" ? keyOf(real) : real.absolute;
  return lastName(path) === ".git" ? parentOf(path) : path;
}

function search(folder: string): Repository | undefined {
  const above = parentOf(folder);
  // Failed look-ups cost time. So a folder that is not named like a bare
  // repository is checked for one last.
  return linkedFrom(folder) ??
    (/^\.|\.git$/.test(lastName(folder)) ? bareAt(folder) : undefined) ??
    (above === folder ? undefined : repositoryOf(above)) ??
    bareAt(folder);
}

/** Returns the repository to which the folder's `.git` leads. */
function linkedFrom(folder: string): Repository | undefined {
  const link = joined(folder, ".git");
  const entry = followed(link);
  if (entry === undefined) return undefined;
  const target = entry.isDirectory ? ".git" : gitdirIn(link);
  const gitFolder = target && realOf(target, folder)?.absolute;
  if (!gitFolder || entryAt(joined(gitFolder, "HEAD")) === undefined) {
    // Like git, skip an empty `.git/`, and stop at a broken link.
    return entry.isDirectory ? undefined : ownProject(folder);
  }
  const common = commonOf(gitFolder, folder, entry.isDirectory);
  if (common === undefined) return ownProject(folder);
  return {
    project: projectName(common),
    worktree: folder,
    gitFolder,
    commonFolder: common.absolute,
    bare: false,
  };
}

/** Returns the folder as a project of its own. */
function ownProject(folder: string): Repository {
  const project = projectName({ absolute: folder, folder, exists: true });
  return { project, worktree: folder, bare: false };
}

/** Returns the repository that the folder is; a worktree's directory is not one. */
function bareAt(folder: string): Repository | undefined {
  if (!isRepository(folder)) return undefined;
  const project = projectName({ absolute: folder, folder, exists: true });
  const isDotGit = lastName(folder) === ".git";
  const worktree = isDotGit ? parentOf(folder) : folder;
  return {
    project,
    worktree,
    gitFolder: folder,
    commonFolder: folder,
    bare: !isDotGit,
  };
}

function isRepository(folder: string): boolean {
  return ["HEAD", "objects", "refs"].every((name) =>
    entryAt(joined(folder, name)) !== undefined
  );
}

/**
 * Returns the common directory of a git directory, if the repository lists the
 * folder as its working copy. A folder `.git` needs no such entry.
 */
function commonOf(
  gitFolder: string,
  folder: string,
  isFolder: boolean,
): RealPath | undefined {
  const named = textIn(joined(gitFolder, "commondir"))?.trimEnd();
  if (named === undefined) {
    const isKnown = isFolder || isBelow(gitFolder, folder) ||
      isRepository(gitFolder) && isWorkingCopyOf(gitFolder, folder);
    return isKnown
      ? { absolute: gitFolder, folder: gitFolder, exists: true }
      : undefined;
  }
  const common = realOf(named, gitFolder);
  const back = textIn(joined(gitFolder, "gitdir"))?.trimEnd();
  // Git writes `gitdir` first: without it the entry names no other worktree.
  const isKnown = common !== undefined &&
    parentOf(gitFolder) === joined(common.absolute, "worktrees") &&
    (back === undefined ||
      lastName(back) === ".git" &&
        realOf(parentOf(back), gitFolder)?.absolute === folder);
  return isKnown ? common : undefined;
}

/** Returns whether a repository elsewhere names the folder as its working copy. */
function isWorkingCopyOf(gitFolder: string, folder: string): boolean {
  const own = textIn(joined(gitFolder, "config"), CONFIG_BYTES_MAX);
  const extra = textIn(joined(gitFolder, "config.worktree"), CONFIG_BYTES_MAX);
  if (own === undefined) return false;
  const setting = (name: string) =>
    (extra === undefined ? undefined : coreSetting(extra, name)) ??
      coreSetting(own, name);
  const worktree = setting("worktree");
  if (worktree !== undefined) {
    return realOf(worktree, gitFolder)?.absolute === folder;
  }
  return lastName(gitFolder) !== ".git" && setting("bare") !== "true";
}

const CONFIG_BYTES_MAX = 1024 * 1024;

/** Returns the last value of a `[core]` setting in a git configuration. */
function coreSetting(config: string, name: string): string | undefined {
  let section = "";
  let found: string | undefined;
  for (const line of config.split("\n")) {
    const head = /^\s*\[\s*([^\]"]*?)\s*(".*")?\s*\]/.exec(line);
    if (head !== null) section = head[2] === undefined ? head[1] : "";
    if (section.toLowerCase() !== "core") continue;
    const pair = /^\s*([A-Za-z][\w-]*)\s*=\s*(.*)$/
      .exec(head === null ? line : line.slice(head[0].length));
    if (pair?.[1].toLowerCase() === name) found = valueOf(pair[2]);
  }
  return found;
}

/** Reads a value: quoted, or up to a comment. */
function valueOf(text: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(text);
  return quoted === null
    ? text.replace(/\s*[#;].*$/, "").trim()
    : quoted[1].replace(/\\(.)/g, "$1");
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(joined(folder, ""));
}

function gitdirIn(file: string): string | undefined {
  return /^gitdir: (.+?)[\r\n]*$/.exec(textIn(file) ?? "")?.[1];
}

// A path of 4,096 bytes and the words around it.
const LINE_BYTES_MAX = 8 * 1024;

function textIn(file: string, bytesMax = LINE_BYTES_MAX): string | undefined {
  return tryRead(() => readSmallFile(file, { bytesMax }));
}

function realOf(path: string, base: string): RealPath | undefined {
  return tryRead(() => realPathOf(path, base));
}

function followed(path: string): Deno.FileInfo | undefined {
  return tryRead(() => Deno.statSync(path));
}

function tryRead<Read>(read: () => Read): Read | undefined {
  try {
    return read();
  } catch (error) {
    // The caller must grant a missing permission. After any other failure the
    // folder counts as one without a repository.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}
