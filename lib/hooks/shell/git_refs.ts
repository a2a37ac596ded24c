/**
 * Whether git would take a name for a revision, found by reading files: starting
 * git would cost more than the rest of a hook.
 *
 * The order is git's: the pseudo refs of the worktree, then below `refs/`,
 * `refs/tags/`, `refs/heads/` and `refs/remotes/`, as files and in `packed-refs`.
 * Operators behind a name (`~2`, `^{}`, `@{1}`, `...`) are removed first.
 *
 * Unknown (`undefined`): whether an abbreviated object id names an object, refs in
 * reftables, a `packed-refs` of more than 4 MiB, and names after the 50th.
 *
 * @module
 */

import { joined, PathError } from "../../path/path_text.ts";
import { realPathOf } from "../../path/paths.ts";
import { repositoryOf } from "../../path/repository.ts";
import { readSmallFile } from "../../path/small_file.ts";

const PACKED_BYTES_MAX = 4 * 1024 * 1024;
const NAMES_MAX = 50;
const REMOTES_MAX = 100;
const PLACES = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];

/** The refs of one repository, each file read at most once. */
export class GitRefs {
  /** Root of the worktree. */
  readonly root: string;
  readonly #gitFolder: string;
  readonly #common: string;
  readonly #told = new Map<string, boolean | undefined>();
  readonly #remote = new Map<string, boolean>();
  #packed: string | undefined;

  private constructor(root: string, gitFolder: string, common: string) {
    this.root = root;
    this.#gitFolder = gitFolder;
    this.#common = common;
  }

  /**
   * Returns the refs of the repository that contains a folder; undefined without
   * one, and for a text that cannot be a folder.
   */
  static of(folder: string): GitRefs | undefined {
    try {
      const { worktree, gitFolder, commonFolder } =
        repositoryOf(realPathOf(folder, "").folder) ?? {};
      return worktree === undefined || gitFolder === undefined ||
          commonFolder === undefined
        ? undefined
        : new GitRefs(worktree, gitFolder, commonFolder);
    } catch (error) {
      if (error instanceof PathError) return undefined;
      throw error;
    }
  }

  /** Whether a name is a revision; undefined if unknown. */
  isRevision(name: string): boolean | undefined {
    if (name === "-" || name.includes("@{")) return true;
    // Pathspec magic, or a search for a commit by its message.
    if (name.startsWith(":")) return false;
    const base = baseOf(name);
    if (base === "" || base === "@") return true;
    if (!canBeRef(base)) return false;
    if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(base)) return true;
    if (!this.#told.has(base)) {
      if (this.#told.size >= NAMES_MAX) return undefined;
      this.#told.set(base, this.#lookUp(base));
    }
    return this.#told.get(base);
  }

  #lookUp(base: string): boolean | undefined {
    if (PLACES.some((place) => this.#isRef(place + base))) return true;
    if (this.#isRef(`refs/remotes/${base}/HEAD`)) return true;
    const isTold = !/^[0-9a-f]{4,}$|-g[0-9a-f]{4,}$/i.test(base) &&
      !isThere(joined(this.#common, "reftable")) &&
      this.#packedRefs() !== undefined;
    return isTold ? false : undefined;
  }

  /** Whether `git switch NAME` would make the branch from a remote branch. */
  isRemoteBranch(name: string): boolean {
    if (!canBeRef(name)) return false;
    if (!this.#remote.has(name)) {
      if (this.#remote.size >= NAMES_MAX) return false;
      this.#remote.set(name, this.#lookUpRemote(name));
    }
    return this.#remote.get(name) ?? false;
  }

  #lookUpRemote(name: string): boolean {
    const remotes = namesIn(joined(this.#common, "refs/remotes"));
    const isLoose = remotes.some((remote) =>
      this.#isRef(`refs/remotes/${remote}/${name}`)
    );
    if (isLoose) return true;
    const packed = this.#packedRefs() ?? "";
    for (let at = 0; (at = packed.indexOf(`/${name}\n`, at)) >= 0; at++) {
      const line = packed.slice(packed.lastIndexOf("\n", at) + 1, at);
      if (/ refs\/remotes\/[^/]+$/.test(line)) return true;
    }
    return false;
  }

  #isRef(ref: string): boolean {
    // Other files lie beside the refs: only names in capitals are refs there.
    if (!ref.startsWith("refs/") && !/^[A-Z_]+$/.test(ref)) return false;
    return isFile(joined(this.#gitFolder, ref)) ||
      isFile(joined(this.#common, ref)) ||
      (this.#packedRefs()?.includes(` ${ref}\n`) ?? false);
  }

  #packedRefs(): string | undefined {
    return this.#packed ??= packedIn(joined(this.#common, "packed-refs"));
  }
}

/** Returns a revision's ref, without operators. */
function baseOf(name: string): string {
  const end = name.search(/[~^:]|\.\.\./);
  return end < 0 ? name : name.slice(0, end);
}

function canBeRef(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/[\x00-\x20~^:?*[\\\x7f]|\.\.|\/\/|^[-/.]|[/.]$/.test(name);
}

function packedIn(path: string): string | undefined {
  try {
    return readSmallFile(path, { bytesMax: PACKED_BYTES_MAX }) ?? "";
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  const names: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      if (names.push(name) >= REMOTES_MAX) break;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
  }
  return names;
}

function isFile(path: string): boolean {
  return tryStat(path)?.isFile ?? false;
}

function isThere(path: string): boolean {
  return tryStat(path) !== undefined;
}

function tryStat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}
