/**
 * The guard's hooks in one folder of hooks, beside those of other programs.
 *
 * A hook that was there is moved beside ours, `pre-commit.before-mbus`, and
 * run first: moved and moved back it stays what it was, byte for byte.
 *
 * Programs that manage hooks put theirs over ours when they are installed, or
 * installed again:
 *
 * | program | our hook becomes | and runs |
 * | --- | --- | --- |
 * | husky | overwritten | not |
 * | lefthook | `pre-commit.old` | not |
 * | pre-commit | `pre-commit.legacy` | as the first step of its own hook |
 *
 * | hook | beside it | means |
 * | --- | --- | --- |
 * | – | – | no hook |
 * | theirs | – | a hook without the guard |
 * | ours | –, theirs | the guard is installed |
 * | – | theirs | an installation or removal was interrupted: either goes on |
 * | theirs | theirs | a hook was put over ours: it stays, the other is kept |
 *
 * @module
 */

/** The hooks that the guard puts up. */
export const HOOKS = [
  "pre-commit",
  "pre-merge-commit",
  "pre-applypatch",
  "pre-push",
] as const;

/** One of them. */
export type HookName = typeof HOOKS[number];

/** A program that manages hooks. */
export type HookProgram = "husky" | "lefthook" | "pre-commit";

const BEFORE = ".before-mbus";
const FRESH = ".mbus-new";
// The ending under which pre-commit keeps a hook that it runs first.
const LEGACY = ".legacy";
/** Endings under which other programs keep the hook that they replaced. */
const DISPLACED = [LEGACY, ".old"] as const;
const MARK = "# mbus guard:";

// A larger file counts as a hook of theirs; its end is not read.
const BYTES_MAX = 64 * 1024;

/** What became of a hook. */
export interface HookResult {
  /** Which hook. */
  readonly hook: HookName;
  /** Its file. */
  readonly path: string;
  /** What was done. */
  readonly done: "installed" | "updated" | "unchanged" | "removed" | "absent";
  /** The hook that was there: run first, or put back. */
  readonly chained?: string;
  /** A hook from before that another one has replaced meanwhile: it is kept. */
  readonly kept?: string;
}

/** How one hook of a folder stands. */
export interface HookStanding {
  /** Which hook. */
  readonly hook: HookName;
  /** The file that git runs, if it is there. */
  readonly path: string;
  /**
   * Kind of the hook: the guard, the guard as a step of another program's hook,
   * another hook, a file that git does not run, or none.
   */
  readonly state: "guard" | "chained" | "other" | "inert" | "none";
  /** The program whose hook it is, if it is a known one. */
  readonly program?: HookProgram;
  /** Whether the guard is that of another version. */
  readonly outdated: boolean;
  /** Files of the guard that do not run there. */
  readonly idle: readonly string[];
}

/** Says how one hook of a folder stands. */
export function standingOf(folder: string, hook: HookName): HookStanding {
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

/** Puts up one hook. */
export function installHook(folder: string, hook: HookName): HookResult {
  const path = `${folder}/${hook}`;
  const before = path + BEFORE;
  const script = scriptOf(hook);
  const { state } = standingOf(folder, hook);
  // Put over pre-commit's, it would run that, which would run it again.
  const place = state === "chained" ? path + LEGACY : path;
  const found = read(place);
  const isTheirs = found !== undefined && !isOurs(found);
  const kept = isTheirs ? setAside(before, found) : undefined;
  removeDisplaced(path, place);
  const told = (done: HookResult["done"]): HookResult => ({
    hook,
    path,
    done,
    ...(exists(before) && { chained: before }),
    ...(kept !== undefined && { kept }),
  });
  if (found === script && isExecutable(place)) return told("unchanged");
  const fresh = path + FRESH;
  createScript(fresh, script);
  if (isTheirs) Deno.renameSync(path, before);
  Deno.renameSync(fresh, place);
  return told(isOurs(found ?? "") ? "updated" : "installed");
}

/** Takes one hook away, and puts back what was there. */
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
  // Theirs came later and stays; the one from before takes the place of ours.
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

/** Whether anything of the guard is in that folder for that hook. */
export function hasGuard(folder: string, hook: HookName): boolean {
  const { state, idle, path } = standingOf(folder, hook);
  return state === "guard" || state === "chained" || idle.length > 0 ||
    exists(path + BEFORE);
}

/** The program that has written a hook, if it is a known one. */
function programOf(script: string): HookProgram | undefined {
  // Before version 9, a person wrote the files in husky's folder.
  if (/^#!\S+ sh\n\. "\$\(dirname "\$0"\)\/h"\s*$/.test(script)) return "husky";
  if (script.includes("File generated by pre-commit")) return "pre-commit";
  if (script.includes("call_lefthook")) return "lefthook";
}

/**
 * Makes room for a hook from before. One that is there already is not run any
 * more: it goes if the new one replaces it, else it is kept under another name,
 * which is returned.
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

/** Whether a later hook is the same one, or of the same program. */
function isReplacedBy(before: string, later: string): boolean {
  const text = read(before) ?? "";
  const isWhole = text !== "" && text.length < BYTES_MAX;
  return isWhole && text === later ||
    programOf(text) !== undefined && programOf(text) === programOf(later);
}

/** Removes our hooks that other programs put elsewhere; returns whether any was. */
function removeDisplaced(path: string, except: string): boolean {
  const files = DISPLACED.map((ending) => path + ending)
    .filter((file) => file !== except && isOurs(read(file) ?? ""));
  files.forEach((file) => Deno.removeSync(file));
  return files.length > 0;
}

/**
 * Makes a script, never through a link: a file of its name is removed first.
 *
 * The file gets its rights when it is made, because a change of the rights
 * would follow a link that takes its place.
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

/** Returns the hook's script, in POSIX sh. Only a refusal stops git, no other failure. */
function scriptOf(hook: HookName): string {
  const lines = [
    `before="\${0%/*}/${hook}${BEFORE}"`,
    `run_before() {`,
    `  [ -x "$before" ] || return 0`,
    `  # pre-commit, which may run this file, is not run within itself.`,
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
      `# Both get what git says on standard input; the dot keeps its last line.`,
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
    `${MARK} refuses what another session has locked exclusively.`,
    `# "mbus guard remove" takes it away, and puts back what was here before.`,
    ...lines,
    "",
  ].join("\n");
}

function isOurs(script: string): boolean {
  return script.includes(`\n${MARK}`);
}

/**
 * Reads a hook, a character for each byte; undefined if there is none. The text
 * is empty if it is not a file: a repository may bring a pipe or a device.
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
    // A link that leads nowhere is a hook of theirs.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Whether git would run a file: it passes by one without the right. */
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
    // core.hooksPath may name a file, or nothing, to have no hooks.
    if (error instanceof NotFound || error instanceof NotADirectory) {
      return false;
    }
    throw error;
  }
}
