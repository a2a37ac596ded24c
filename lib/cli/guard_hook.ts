/**
 * The guard's hooks in the folder that git really uses.
 *
 * A hook that was there is moved beside ours, `pre-commit.before-mbus`, and
 * run first: moved and moved back it stays what it was, byte for byte.
 *
 * | hook | beside it | means |
 * | --- | --- | --- |
 * | – | – | nothing is there |
 * | theirs | – | a hook without guard |
 * | ours | –, theirs | the guard is installed |
 * | – | theirs | the guard was being installed or removed: either goes on |
 * | theirs | theirs | another hook was put over ours: a person decides |
 *
 * @module
 */

import { git } from "./git.ts";
import { RefusalError } from "./refusal.ts";
import { visible } from "./visible_text.ts";

/** The hooks that the guard puts up. */
export const HOOKS = ["pre-commit", "pre-push"] as const;

/** One of them. */
export type HookName = typeof HOOKS[number];

const BEFORE = ".before-mbus";
const MARK = "# mbus guard:";

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
}

/** The folder whose hooks git runs, and whether it is this repository's own. */
export interface HookFolder {
  /** The folder. */
  readonly path: string;
  /** Whether other repositories may use it, too. */
  readonly shared: boolean;
}

/**
 * The folder that git looks for hooks in.
 *
 * @throws {RefusalError} If this is no repository.
 */
export async function hookFolder(act: string): Promise<HookFolder> {
  const ask = async (folder: string | undefined, ...args: string[]) =>
    (await git(["rev-parse", ...args], { folder, act })).replace(/\n$/, "");
  const common = Deno.realPathSync(
    await ask(undefined, "--path-format=absolute", "--git-common-dir"),
  );
  const bare = await ask(undefined, "--is-bare-repository") === "true";
  // Where hooks run, and so what a relative core.hooksPath is relative to.
  const top = bare ? common : await ask(undefined, "--show-toplevel");
  const given = await ask(top, "--git-path", "hooks");
  const path = /^(\/|[A-Za-z]:[\\/])/.test(given) ? given : `${top}/${given}`;
  const own = [common, top].some((folder) => path.startsWith(`${folder}/`));
  return { path, shared: !own };
}

/** Puts up one hook. */
export function installHook(folder: string, hook: HookName): HookResult {
  const path = `${folder}/${hook}`;
  const before = path + BEFORE;
  const script = scriptOf(hook);
  const found = read(path);
  const kept = exists(before);
  if (found !== undefined && !isOurs(found)) {
    if (kept) throw overwritten("install", path, before);
    Deno.renameSync(path, before);
  }
  const chained = exists(before) ? { chained: before } : {};
  if (found === script) return { hook, path, done: "unchanged", ...chained };
  const fresh = `${path}.mbus-new`;
  Deno.writeTextFileSync(fresh, script, { mode: 0o755 });
  // Whatever the umask took away.
  if (Deno.build.os !== "windows") Deno.chmodSync(fresh, 0o755);
  Deno.renameSync(fresh, path);
  const done = isOurs(found ?? "") ? "updated" : "installed";
  return { hook, path, done, ...chained };
}

/** Takes one hook away, and puts back what was there. */
export function removeHook(folder: string, hook: HookName): HookResult {
  const path = `${folder}/${hook}`;
  const before = path + BEFORE;
  const found = read(path);
  const kept = exists(before);
  if (found !== undefined && !isOurs(found)) {
    if (kept) throw overwritten("remove", path, before);
    return { hook, path, done: "absent" };
  }
  if (kept) {
    Deno.renameSync(before, path);
    return { hook, path, done: "removed", chained: path };
  }
  if (found === undefined) return { hook, path, done: "absent" };
  Deno.removeSync(path);
  return { hook, path, done: "removed" };
}

/** Whether one hook of that folder is the guard. */
export function isGuard(folder: string, hook: HookName): boolean {
  return isOurs(read(`${folder}/${hook}`) ?? "");
}

/** What git runs; POSIX sh. Only what was refused stops git, no other failure. */
function scriptOf(hook: HookName): string {
  const chain = `before="\${0%/*}/${hook}${BEFORE}"`;
  const lines = hook === "pre-commit"
    ? [
      chain,
      `if [ -x "$before" ]; then "$before" "$@" || exit $?; fi`,
      `command -v mbus >/dev/null 2>&1 || exit 0`,
      `mbus guard check || [ $? -ne 1 ]`,
    ]
    : [
      // Both get what git says on standard input; the dot keeps its last line.
      `refs=$(cat; echo .)`,
      `refs=\${refs%.}`,
      chain,
      `if [ -x "$before" ]; then`,
      `  printf %s "$refs" 2>/dev/null | "$before" "$@" || exit $?`,
      `fi`,
      `command -v mbus >/dev/null 2>&1 || exit 0`,
      `printf %s "$refs" | mbus guard check --pre-push || [ $? -ne 1 ]`,
    ];
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

function overwritten(act: string, path: string, before: string): RefusalError {
  return new RefusalError(
    `Cannot ${act} the guard: ${visible(path)} was put over it, and ` +
      `${
        visible(before)
      } keeps the hook from before; make one of both, remove ` +
      `the other, and run "mbus guard ${act}" again.`,
  );
}

/** What a hook says, byte for byte as letters; undefined if there is none. */
function read(path: string): string | undefined {
  if (!exists(path)) return undefined;
  try {
    return new TextDecoder("latin1").decode(Deno.readFileSync(path));
  } catch (error) {
    // A link that leads nowhere is a hook of theirs.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    const { NotADirectory, NotFound } = Deno.errors;
    // core.hooksPath may name what is no folder, to have no hooks.
    if (error instanceof NotFound || error instanceof NotADirectory) {
      return false;
    }
    throw error;
  }
}
