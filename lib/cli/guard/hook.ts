/**
 * The guard's hooks in one folder of git hooks, beside those of other programs.
 *
 * An existing hook is moved to `pre-commit.before-mbus` and run first, so removal
 * restores it byte for byte.
 *
 * Installing a program that manages hooks replaces ours:
 *
 * | program | our hook becomes | and runs |
 * | --- | --- | --- |
 * | husky | overwritten | not |
 * | lefthook | `pre-commit.old` | not |
 * | pre-commit | `pre-commit.legacy` | as the first step of its own hook |
 *
 * | hook | `.before-mbus` | means |
 * | --- | --- | --- |
 * | – | – | no hook |
 * | theirs | – | a hook without the guard |
 * | ours | –, theirs | the guard is installed |
 * | – | theirs | an interrupted installation or removal, which can be repeated |
 * | theirs | theirs | a hook replaced ours: both files are kept |
 *
 * @module
 */

/** Hooks of git that the guard installs. */
export const HOOKS = [
  "pre-commit",
  "pre-merge-commit",
  "pre-applypatch",
  "pre-push",
] as const;

/** Name of a hook of git. */
export type HookName = typeof HOOKS[number];

/** A program that manages hooks. */
export type HookProgram = "husky" | "lefthook" | "pre-commit";

const BEFORE = ".before-mbus";
const FRESH = ".mbus-new";
// Extension of a hook that pre-commit replaced and runs first.
const LEGACY = ".legacy";
/** Extensions of hooks that other programs replaced. */
const DISPLACED = [LEGACY, ".old"] as const;
const MARK = "# mbus guard:";

// A larger file is not ours; only this much of it is read.
const BYTES_MAX = 64 * 1024;

/** Result of installing or removing a hook. */
export interface HookResult {
  /** Name of the hook. */
  readonly hook: HookName;
  /** File of the hook. */
  readonly path: string;
  /** Change of the hook. */
  readonly done: "installed" | "updated" | "unchanged" | "removed" | "absent";
  /** Previous hook, which runs first or was restored. */
  readonly chained?: string;
  /** Previous hook that another hook has replaced, kept as a file. */
  readonly kept?: string;
}

/** State of one hook in a folder. */
export interface HookState {
  /** Name of the hook. */
  readonly hook: HookName;
  /** File that git runs, if it exists. */
  readonly path: string;
  /**
   * Kind of the hook: the guard, the guard as a step of another program's hook,
   * another hook, a file that git does not run, or none.
   */
  readonly state: "guard" | "chained" | "other" | "inert" | "none";
  /** Program that wrote the hook, if known. */
  readonly program?: HookProgram;
  /** Whether the guard is that of another version. */
  readonly outdated: boolean;
  /** Files of the guard that git does not run. */
  readonly idle: readonly string[];
}

/** Returns the state of one hook in a folder. */
export function hookStateOf(folder: string, hook: HookName): HookState {
  const path = `${folder}/${hook}`;
  const found = read(path);
  const program = programOf(found ?? "");
  const legacy = read(path + LEGACY) ?? "";
  const state = found === undefined
    ? "none"
    : !isExecutable(path)
    ? "inert"
    : isOurs(found)
    ? "guard"
    : program === "pre-commit" && isOurs(legacy) && isExecutable(path + LEGACY)
    ? "chained"
    : "other";
  const guard = state === "chained" ? legacy : found ?? "";
  const idle = [path, path + LEGACY, `${path}.old`]
    .filter((file) => isOurs(read(file) ?? ""))
    .filter((file) =>
      !(state === "guard" && file === path) &&
      !(state === "chained" && file === path + LEGACY)
    );
  return {
    hook,
    path,
    state,
    ...(program !== undefined && { program }),
    outdated: isOurs(guard) && guard !== scriptOf(hook),
    idle,
  };
}

/** Installs one hook. */
export function installHook(folder: string, hook: HookName): HookResult {
  const path = `${folder}/${hook}`;
  const before = path + BEFORE;
  const script = scriptOf(hook);
  const { state } = hookStateOf(folder, hook);
  // In place of pre-commit's hook it would run that hook, which runs it again.
  const place = state === "chained" ? path + LEGACY : path;
  const found = read(place);
  const isTheirs = found !== undefined && !isOurs(found);
  const kept = isTheirs ? setAside(before, found) : undefined;
  removeDisplaced(path, place);
  const resultOf = (done: HookResult["done"]): HookResult => ({
    hook,
    path,
    done,
    ...(exists(before) && { chained: before }),
    ...(kept !== undefined && { kept }),
  });
  if (found === script && isExecutable(place)) return resultOf("unchanged");
  const fresh = path + FRESH;
  createScript(fresh, script);
  if (isTheirs) Deno.renameSync(path, before);
  Deno.renameSync(fresh, place);
  return resultOf(isOurs(found ?? "") ? "updated" : "installed");
}

/** Removes one hook, and restores the previous one. */
export function removeHook(folder: string, hook: HookName): HookResult {
  const path = `${folder}/${hook}`;
  const before = path + BEFORE;
  removeIfThere(path + FRESH);
  const found = read(path);
  const isTheirs = found !== undefined && !isOurs(found);
  if (!isTheirs) {
    const wasDisplaced = removeDisplaced(path, path);
    if (exists(before)) {
      Deno.renameSync(before, path);
      return { hook, path, done: "removed", chained: path };
    }
    if (found !== undefined) Deno.removeSync(path);
    const isRemoved = found !== undefined || wasDisplaced;
    return { hook, path, done: isRemoved ? "removed" : "absent" };
  }
  // Their newer hook stays. The previous one takes the place of ours.
  const isReplaced = exists(before) && isReplacedBy(before, found);
  if (isReplaced) Deno.removeSync(before);
  const [place] = DISPLACED.map((ending) => path + ending)
    .filter((file) => isOurs(read(file) ?? ""));
  if (place !== undefined && exists(before)) {
    Deno.renameSync(before, place);
    removeDisplaced(path, place);
    return { hook, path, done: "removed", chained: place };
  }
  const isRemoved = removeDisplaced(path, path) || isReplaced;
  return {
    hook,
    path,
    done: isRemoved ? "removed" : "absent",
    ...(exists(before) && { kept: before }),
  };
}

/** Returns whether a folder has a file of the guard for a hook. */
export function hasGuard(folder: string, hook: HookName): boolean {
  const { state, idle, path } = hookStateOf(folder, hook);
  return state === "guard" || state === "chained" || idle.length > 0 ||
    exists(path + BEFORE);
}

/** Returns the program that wrote a hook, if known. */
function programOf(script: string): HookProgram | undefined {
  // From version 9 on, husky writes these files; before, a person did.
  if (/^#!\S+ sh\n\. "\$\(dirname "\$0"\)\/h"\s*$/.test(script)) return "husky";
  if (script.includes("File generated by pre-commit")) return "pre-commit";
  if (script.includes("call_lefthook")) return "lefthook";
}

/**
 * Makes room for the previous hook. An earlier one there does not run any longer:
 * it is removed if the new one replaces it. Otherwise it is renamed, and its new
 * name is returned.
 */
function setAside(before: string, found: string): string | undefined {
  if (!exists(before)) return undefined;
  if (isReplacedBy(before, found)) {
    Deno.removeSync(before);
    return undefined;
  }
  let at = 1;
  while (exists(`${before}.${at}`)) at++;
  const kept = `${before}.${at}`;
  Deno.renameSync(before, kept);
  return kept;
}

/** Returns whether a later hook is the same, or of the same program. */
function isReplacedBy(before: string, later: string): boolean {
  const text = read(before) ?? "";
  const isWhole = text !== "" && text.length < BYTES_MAX;
  return isWhole && text === later ||
    programOf(text) !== undefined && programOf(text) === programOf(later);
}

/** Removes our hooks that other programs renamed; returns whether there were any. */
function removeDisplaced(path: string, except: string): boolean {
  const files = DISPLACED.map((ending) => path + ending)
    .filter((file) => file !== except && isOurs(read(file) ?? ""));
  files.forEach((file) => Deno.removeSync(file));
  return files.length > 0;
}

/**
 * Creates a script, never through a link: a file of that name is removed first.
 *
 * The file gets its mode when it is created, because chmod would follow a link
 * that replaced it.
 */
function createScript(path: string, script: string): void {
  const umask = Deno.build.os === "windows" ? undefined : Deno.umask(0);
  try {
    removeIfThere(path);
    using file = Deno.openSync(path, {
      write: true,
      createNew: true,
      mode: 0o755,
    });
    let bytes = new TextEncoder().encode(script);
    while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
  } finally {
    if (umask !== undefined) Deno.umask(umask);
  }
}

const CHECKS: Readonly<Record<HookName, string>> = {
  "pre-commit": "mbus guard check",
  "pre-merge-commit": "mbus guard check --pre-merge-commit",
  "pre-applypatch": "mbus guard check --pre-applypatch",
  "pre-push": "mbus guard check --pre-push",
};

/** Returns the hook's script, in POSIX sh. Only exit code 1 of the check stops git. */
function scriptOf(hook: HookName): string {
  const lines = [
    `before="\${0%/*}/${hook}${BEFORE}"`,
    `run_before() {`,
    `  [ -x "$before" ] || return 0`,
    `  # pre-commit may run this file, and must not run inside itself.`,
    `  [ -n "$PRE_COMMIT_RUNNING_LEGACY" ] &&`,
    `    grep -q "File generated by pre-commit" "$before" && return 0`,
    `  # husky finds its files by the name of the hook that git has started.`,
    `  if grep -q '^\\. "$(dirname "$0")/h"' "$before"; then`,
    `    (. "$before")`,
    `  else`,
    `    "$before" "$@"`,
    `  fi`,
    `}`,
  ];
  const check = `${CHECKS[hook]} || [ $? -ne 1 ]`;
  const mbus = `command -v mbus >/dev/null 2>&1 || exit 0`;
  if (hook === "pre-push") {
    lines.push(
      `# Both read git's standard input; the dot keeps its last line break.`,
      `refs=$(cat; echo .)`,
      `refs=\${refs%.}`,
      `printf %s "$refs" 2>/dev/null | run_before "$@" || exit $?`,
      mbus,
      `printf %s "$refs" | ${check}`,
    );
  } else {
    lines.push(`run_before "$@" || exit $?`, mbus, check);
  }
  return [
    "#!/bin/sh",
    `${MARK} stops commits of files that another session holds exclusively.`,
    `# "mbus guard remove" removes it, and restores the previous hook.`,
    ...lines,
    "",
  ].join("\n");
}

function isOurs(script: string): boolean {
  return script.includes(`\n${MARK}`);
}

/**
 * Reads a hook, one character per byte; undefined if it does not exist. The text
 * is empty unless it is a file: a repository may bring a pipe or a device.
 */
function read(path: string): string | undefined {
  if (!exists(path)) return undefined;
  try {
    if (!Deno.statSync(path).isFile) return "";
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(BYTES_MAX);
    let size = 0;
    for (;;) {
      const count = file.readSync(bytes.subarray(size));
      if (count === null || count === 0) break;
      size += count;
    }
    return new TextDecoder("latin1").decode(bytes.subarray(0, size));
  } catch (error) {
    // A broken link counts as a hook of theirs.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Returns whether git would run a file: git skips one that is not executable. */
function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (Deno.build.os === "windows" || (mode! & 0o111) !== 0);
  } catch (error) {
    const { NotADirectory, NotFound } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) {
      return false;
    }
    throw error;
  }
}

function removeIfThere(path: string): void {
  if (exists(path)) Deno.removeSync(path);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    const { NotADirectory, NotFound } = Deno.errors;
    // core.hooksPath may be a file or missing, which turns hooks off.
    if (error instanceof NotFound || error instanceof NotADirectory) {
      return false;
    }
    throw error;
  }
}
