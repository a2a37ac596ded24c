/**
 * Stamps of all files in a folder: the size and time of each, up to a bound.
 *
 * The walk is breadth first, with `node_modules` last, so that the bound cuts off
 * deep and installed files. It follows no link. It skips `.git`, because git's
 * own commands write there all the time.
 *
 * @module
 */

import { entryStamp, tryStat } from "./file_stamp.ts";

/** Stamps of the files of one folder and all below it. */
export interface TreeStamps {
  /** The folder. */
  readonly root: string;
  /** Each file's stamp, by its path below the folder. */
  readonly stamps: Readonly<Record<string, string>>;
  /** Whether no file was left out. */
  readonly isWhole: boolean;
}

/** Maximum number of files and folders in all trees of one snapshot. */
export const ENTRIES_MAX = 5_000;

/**
 * Stamps folders with all below them. A folder inside another one is stamped with
 * the outer one.
 */
export function stampTrees(roots: readonly string[]): TreeStamps[] {
  const outer = [...new Set(roots)].sort().reduce<string[]>(
    (outer, root) =>
      outer.some((above) => root.startsWith(below(above)))
        ? outer
        : [...outer, root],
    [],
  );
  let left = ENTRIES_MAX;
  return outer.map((root) => {
    const walk = new Walk(root, left);
    left -= walk.entries;
    return { root, stamps: walk.stamps, isWhole: walk.isWhole };
  });
}

/** Returns the path of a name in a folder. */
export function below(folder: string, name = ""): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** One walk through a tree. */
class Walk {
  readonly stamps: Record<string, string> = Object.create(null);
  entries = 0;
  isWhole = true;
  readonly #root: string;
  readonly #max: number;

  constructor(root: string, max: number) {
    this.#root = root;
    this.#max = max;
    const last: string[] = [];
    // Each list grows while the loop runs over it.
    for (const folders of [[""], last]) {
      for (const folder of folders) this.#folder(folder, folders, last);
    }
  }

  #folder(folder: string, next: string[], last: string[]): void {
    if (this.entries >= this.#max) {
      this.isWhole = false;
      return;
    }
    const path = below(this.#root, folder);
    const entries = tryStat(() => [...Deno.readDirSync(path)]) ?? [];
    for (const { name, isDirectory } of entries) {
      if (name === ".git") continue;
      if (++this.entries > this.#max) {
        this.isWhole = false;
        return;
      }
      const inner = `${folder}${name}`;
      if (!isDirectory) {
        const stamp = entryStamp(`${path}${name}`);
        if (stamp !== undefined) this.stamps[inner] = stamp;
      } else (name === "node_modules" ? last : next).push(`${inner}/`);
    }
  }
}
