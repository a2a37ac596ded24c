/**
 * The git repository a folder is in, found by reading a few small files:
 * starting `git` would cost more than everything else a hook does.
 *
 * What is looked for, step by step up from the folder:
 *
 * | found | git directory | common directory |
 * | --- | --- | --- |
 * | `.git/` with a `HEAD` | itself | itself |
 * | `.git`, a file `gitdir: …`: a worktree | what it names | what `commondir` in there names |
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
 *    folder is a project of its own, and not part of whatever lies above.
 * 3. The environment decides nothing. `GIT_DIR` and `GIT_WORK_TREE` belong to
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

/** Where a folder belongs. */
export interface Repository {
  /** The name of the project, see {@linkcode projectName}. */
  readonly project: string;
  /** The root of the worktree; of a bare repository the repository itself. */
  readonly worktree: string;
  /** Where the worktree's HEAD is; not set if `.git` could not be followed. */
  readonly gitFolder?: string;
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
  const head = textIn(joined(repository.gitFolder, "HEAD"));
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
  const gitFolder = target && realPathOf(target, folder).absolute;
  if (!gitFolder || entryAt(joined(gitFolder, "HEAD")) === undefined) {
    // Like git, pass an empty `.git/` by, and stop at a broken link.
    if (entry.isDirectory) return undefined;
    const project = projectName({
      absolute: folder,
      folder,
      exists: true,
    });
    return { project, worktree: folder, bare: false };
  }
  const project = projectName(commonOf(gitFolder));
  return { project, worktree: folder, gitFolder, bare: false };
}

/** The repository that the folder itself is. */
function bareAt(folder: string): Repository | undefined {
  const whole = ["HEAD", "objects", "refs"].every((name) =>
    entryAt(joined(folder, name)) !== undefined
  );
  if (!whole) return undefined;
  const project = projectName(commonOf(folder));
  const isDotGit = lastName(folder) === ".git";
  const worktree = isDotGit ? parentOf(folder) : folder;
  return { project, worktree, gitFolder: folder, bare: !isDotGit };
}

/** The directory that all worktrees of a repository share. */
export function commonOf(gitFolder: string): RealPath {
  const common = textIn(joined(gitFolder, "commondir"))?.trimEnd();
  return realPathOf(common || ".", gitFolder);
}

function gitdirIn(file: string): string | undefined {
  return /^gitdir: (.+?)[\r\n]*$/.exec(textIn(file) ?? "")?.[1];
}

function textIn(file: string): string | undefined {
  return present(() => Deno.readTextFileSync(file));
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
    // A missing right of this process is the caller's to mend; whatever else
    // stands in the way makes it a folder without a repository.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}
