/**
 * The imports of the files of `lib/`, read from their text.
 *
 * @module
 */

/** One import of a file. */
export interface Import {
  /** The path of the imported file, or a specifier of a package. */
  readonly to: string;
  /** Whether it imports types alone, which the program does not load. */
  readonly isOfTypes: boolean;
}

const STATEMENT =
  /^\s*(?:import|export)\s+(type\s)?([^;"']*?)\bfrom\s+["']([^"']+)["']/gm;
const SIDE_EFFECT = /^import\s+["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']/g;

// A line of a table of commands, which are loaded on demand.
const COMMAND = /^\s*(?:"[\w-]+"|\w+): \(\) => import\(["'][^"']+["']\),?$/gm;

const COMMENT = /\/\*[^]*?\*\/|^\s*\/\/.*$/gm;

/** Reads the imports of all files below a folder, by path. */
export function importsBelow(folder: URL): Map<string, readonly Import[]> {
  const found = new Map<string, readonly Import[]>();
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const url = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) {
      for (const [path, imports] of importsBelow(url)) found.set(path, imports);
    } else if (name.endsWith(".ts")) {
      found.set(url.pathname, importsOf(url, Deno.readTextFileSync(url)));
    }
  }
  return found;
}

/** Returns the text of a file without its comments. */
export function withoutComments(text: string): string {
  return text.replaceAll(COMMENT, "");
}

/** Returns the imports in the text of a file, except tables of commands. */
export function importsOf(file: URL, text: string): Import[] {
  const code = withoutComments(text).replaceAll(COMMAND, "");
  const pathOf = (to: string) =>
    to.startsWith(".") ? new URL(to, file).pathname : to;
  return [
    ...[...code.matchAll(STATEMENT)].map(([, type, names, to]) => ({
      to: pathOf(to),
      isOfTypes: type !== undefined || areTypes(names),
    })),
    ...[SIDE_EFFECT, DYNAMIC].flatMap((pattern) =>
      [...code.matchAll(pattern)].map(([, to]) => ({
        to: pathOf(to),
        isOfTypes: false,
      }))
    ),
  ];
}

/** Returns whether all names between braces are types. */
function areTypes(names: string): boolean {
  const list = /^\s*\{([^]*)\}\s*$/.exec(names)?.[1];
  return list !== undefined &&
    list.split(",").map((name) => name.trim()).filter((name) => name !== "")
      .every((name) => name.startsWith("type "));
}

/** Returns the shortest circle of imports through a file, if there is one. */
export function circleOf(
  file: string,
  graph: ReadonlyMap<string, readonly Import[]>,
): string[] | undefined {
  const from = new Map<string, string>();
  const queue = [file];
  for (const path of queue) {
    for (const { to } of graph.get(path) ?? []) {
      if (to === file) {
        const circle = [to];
        for (let at: string | undefined = path; at !== undefined;) {
          circle.unshift(at);
          at = at === file ? undefined : from.get(at);
        }
        return circle;
      }
      if (!graph.has(to) || from.has(to)) continue;
      from.set(to, path);
      queue.push(to);
    }
  }
  return undefined;
}
