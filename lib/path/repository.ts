/**
 * The git repository a folder is in, found by reading a few small files:
 * starting `git` would cost more than everything else a hook does.
 *
 * What is looked for, step by step up from the folder:
 *
 * | found | git directory | common directory |
 * | --- | --- | --- |
 * | `.git/` with a `HEAD` | itself | itself |
 * | `.git`, a file `gitdir: …`: a worktree | what it names | what `commondir` there names, if that knows the worktree |
 * | the same: a submodule, or `--separate-git-dir` | what it names | the same |
 * | a folder with `HEAD`, `objects` and `refs`: bare | the folder | the folder |
 *
 * What it keeps true, and why:
 *
 * 1. All worktrees of a repository have one project; two repositories never
 *    do. The project is the real path of the common directory without a last
 *    `/.git`: the parent folder in the usual case, so that a folder keeps its
 *    name when it becomes a repository. Only that ending goes, as two bare
 *    repositories (`/srv/a.git`, `/srv/b.git`) share a parent, and a
 *    submodule's directory (`/a/.git/modules/b`) lies in another repository.
 * 2. A `.git` file that cannot be followed ends the search, as in git: the
 *    folder is a project of its own, and not part of the one above.
 * 3. A folder joins a repository that lies elsewhere only if that repository
 *    knows it: `worktrees/‹name›/gitdir` names the worktree, `core.worktree` the
 *    submodule. Files of a copied or unpacked folder cannot bring about that.
 *    Git keeps no such link for `--separate-git-dir`: there the directory must
 *    not be another folder's `.git`, and not bare.
 * 4. Every file here may be another's. It is read only if it is regular and
 *    small, and its text is in no error (`small_file.ts`).
 * 5. The environment decides nothing. `GIT_DIR` and `GIT_WORK_TREE` belong to
 *    one command (git sets them for its hooks) and must not move a session to
 *    another project. Owners and mount points do not matter either: git checks
 *    them because it runs what a repository's configuration says.
 *
 * @module
 */

import { BriefMemory } from "./brief_memory.ts";
import { keyOf } from "./case_rules.ts";
import { joined, lastName, parentOf } from "./path_text.ts";
import { entryAt, type RealPath, realPathOf } from "./paths.ts";
import { readSmallFile } from "./small_file.ts";

/** Where a folder belongs. */
export interface Repository {
  /** The name of the project, see {@linkcode projectName}. */
  readonly project: string;
  /** The root of the worktree; of a bare repository the repository itself. */
  readonly worktree: string;
  /** Where the worktree's HEAD is; not set if `.git` could not be followed. */
  readonly gitFolder?: string;
  /** What all worktrees share; not set if `.git` could not be followed. */
  readonly commonFolder?: string;
  /** Whether there is no worktree. */
  readonly bare: boolean;
}

/** What each folder that was passed is in; null: in no repository. */
const found = new BriefMemory<Repository | null>();

/**
 * Finds the repository that an existing folder (a canonical path) is in;
 * `undefined` if it is in none. Throws `Deno.errors.NotCapable` without
 * `--allow-read`.
 */
export function repositoryOf(folder: string): Repository | undefined {
  let repository = found.get(folder);
  if (repository === undefined) {
    repository = search(folder) ?? null;
    found.set(folder, repository);
  }
  return repository ?? undefined;
}

/** The branch a repository's worktree is on; `undefined` on a detached head. */
export function branchOf(repository: Repository): string | undefined {
  if (repository.gitFolder === undefined) return undefined;
  return branchIn(textIn(joined(repository.gitFolder, "HEAD")));
}

/**
 * Reads the branch at the root of a worktree, by one file in the usual case;
 * `branch` is `undefined` on a detached head. Returns undefined outside of a
 * repository.
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
  // With reftables the file only says that HEAD is elsewhere.
  return branch === ".invalid" ? undefined : branch;
}

/** The project that a common directory, or a folder without git, stands for. */
export function projectName(real: RealPath): string {
  // Elsewhere the system spells what exists as it is on disk.
  const path = Deno.build.os === "linux" ? keyOf(real) : real.absolute;
  return lastName(path) === ".git" ? parentOf(path) : path;
}

function search(folder: string): Repository | undefined {
  const above = parentOf(folder);
  // Every look that finds nothing costs, so a folder that is not called like a
  // bare repository is taken for one only if there is nothing else.
  return linkedTo(folder) ??
    (/^\.|\.git$/.test(lastName(folder)) ? bareAt(folder) : undefined) ??
    (above === folder ? undefined : repositoryOf(above)) ??
    bareAt(folder);
}

/** The repository that the folder's `.git` leads to. */
function linkedTo(folder: string): Repository | undefined {
  const link = joined(folder, ".git");
  const entry = followed(link);
  if (entry === undefined) return undefined;
  const target = entry.isDirectory ? ".git" : gitdirIn(link);
  const gitFolder = target && realOf(target, folder)?.absolute;
  if (!gitFolder || entryAt(joined(gitFolder, "HEAD")) === undefined) {
    // Like git, pass an empty `.git/` by, and stop at a broken link.
    return entry.isDirectory ? undefined : alone(folder);
  }
  const common = commonOf(gitFolder, folder, entry.isDirectory);
  if (common === undefined) return alone(folder);
  return {
    project: projectName(common),
    worktree: folder,
    gitFolder,
    commonFolder: common.absolute,
    bare: false,
  };
}

/** The folder as a project of its own. */
function alone(folder: string): Repository {
  const project = projectName({ absolute: folder, folder, exists: true });
  return { project, worktree: folder, bare: false };
}

/** The repository that the folder itself is; a worktree's directory is none. */
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
 * The common directory of a git directory, if the repository knows that the
 * folder is a working copy of it. A folder `.git` is the folder's own.
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
  // Git writes `gitdir` before all else there: what has none names no other.
  const isKnown = common !== undefined &&
    parentOf(gitFolder) === joined(common.absolute, "worktrees") &&
    (back === undefined ||
      lastName(back) === ".git" &&
        realOf(parentOf(back), gitFolder)?.absolute === folder);
  return isKnown ? common : undefined;
}

/** Whether a repository elsewhere takes the folder for its working copy. */
function isWorkingCopyOf(gitFolder: string, folder: string): boolean {
  const own = textIn(joined(gitFolder, "config"), CONFIG_BYTES_MAX);
  const extra = textIn(joined(gitFolder, "config.worktree"), CONFIG_BYTES_MAX);
  if (own === undefined) return false;
  const said = (name: string) =>
    (extra === undefined ? undefined : coreSetting(extra, name)) ??
      coreSetting(own, name);
  const worktree = said("worktree");
  if (worktree !== undefined) {
    return realOf(worktree, gitFolder)?.absolute === folder;
  }
  return lastName(gitFolder) !== ".git" && said("bare") !== "true";
}

const CONFIG_BYTES_MAX = 1024 * 1024;

/** The last value of a setting of `[core]` in a configuration of git's. */
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

/** A value as git writes it: in quotes where it has to be, else to a comment. */
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

// A path and what stands around it.
const LINE_BYTES_MAX = 8 * 1024;

function textIn(file: string, bytesMax = LINE_BYTES_MAX): string | undefined {
  return present(() => readSmallFile(file, { bytesMax }));
}

/** A path that a file names; undefined if it cannot be one. */
function realOf(path: string, base: string): RealPath | undefined {
  return present(() => realPathOf(path, base));
}

/** Looks up and follows links, as `.git` may be one. */
function followed(path: string): Deno.FileInfo | undefined {
  return present(() => Deno.statSync(path));
}

/** What `read` returns, or `undefined` where the system has nothing to read. */
function present<Read>(read: () => Read): Read | undefined {
  try {
    return read();
  } catch (error) {
    // A missing right of this process is the caller's to mend. With any other
    // trouble it is a folder without a repository.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}
