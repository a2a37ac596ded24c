/**
 * `deno task install`: installs a fast `mbus` on the user's PATH from a checkout.
 *
 * ```text
 * ~/.local/share/message-bus/‹version›/cli.js …    the program, a bundle of parts
 * ~/.local/share/message-bus/‹version›/hook.js …   the program of agents' hooks
 * ~/.local/share/message-bus/hook.sh               shell script that hooks source
 * ~/.local/bin/mbus                                the launcher, a shell script
 * ```
 *
 * The bundle is split, so that a command loads only its own parts. Their names have
 * a hash of their content, so an upgrade keeps the parts that running commands may
 * still load, and `cli.js` changes in one step.
 *
 * The launcher has the runtime's absolute path, because the PATH may name a slow
 * wrapper. A runtime in a temporary cache (`npx`) gets a hard link beside the
 * bundle, or a copy on another file system.
 *
 * A file `mbus` that is not ours is never overwritten.
 *
 * @module
 */

import { parseArguments } from "../cli/arguments.ts";
import { compileEagerly, coveredIn } from "./eager_compile.ts";
import {
  assertNotForeign,
  type InstallPaths,
  installPaths,
  MARK,
  removeInstalled,
} from "./install_paths.ts";
import { RefusalError } from "../cli/refusal.ts";
import { warmUp, type WarmUpCall } from "./warm_up.ts";
import config from "../../deno.json" with { type: "json" };

/** Grammar of the arguments. */
const GRAMMAR = {
  name: "install",
  positionals: [],
  options: {
    bin: {
      kind: "string",
      help: "Folder on your PATH (default: ~/.local/bin)",
    },
    remove: { kind: "flag", help: "Remove the installed files" },
  },
} as const;

/** Source file of each program, by the name of its bundle. */
const ENTRIES: Readonly<Record<string, string>> = {
  "hook.js": "lib/cli/bin/hook.ts",
  "send.js": "lib/cli/bin/send.ts",
  "tail.js": "lib/cli/bin/tail.ts",
  "help.js": "lib/cli/bin/help.ts",
  "complete.js": "lib/cli/bin/complete.ts",
  "statusline.js": "lib/cli/bin/statusline.ts",
  "cli.js": "cli.ts",
};

// The runtime does not start in a removed folder, and a hook's input names its
// project. A shell in such a folder has no PWD, or an outdated one.
const LEAVE_GONE_FOLDER =
  'case $PWD in /*) cd "$PWD" ;; *) false ;; esac 2>/dev/null || cd /';

// Parts that are minified into one file each, because each further file delays the
// start and loaded code stays in memory: fast programs, and their frequent parts.
// Each has its own copy of shared classes, so none may use `instanceof` on another
// one's values.
const STANDALONE: Readonly<Record<string, readonly string[]>> = {
  "hook.js": [
    "hook",
    "slow_path",
    "command_check",
    "before_call",
    "after_call",
  ],
  "send.js": ["send"],
  "tail.js": ["tail"],
  "help.js": ["help"],
  "complete.js": ["complete"],
  "statusline.js": ["statusline"],
};

// Arguments of the runtime for all programs, and further ones for bundled programs.
const RUN = ["run", "--quiet", "--no-lock", "--no-check", "--allow-all"];
const BUNDLED = ["--no-config", "--cached-only"];

// The runtime's check for a newer version delays each start. With SIGXFSZ ignored, a
// write at the limit of file sizes fails, instead of killing the process. Programs
// that mbus runs for the user keep the check and the signal.
const PREPARE =
  "{ export DENO_NO_UPDATE_CHECK=1; trap '' XFSZ; :; } 2>/dev/null";

// Waits some seconds while another process fetches the bundler.
const BUNDLER_ATTEMPTS = 5;
const BUNDLER_PAUSE_MS = 500;

// Matches `using` declarations, but not those in comments.
const USING = /(?<=^\s*|[;{}])(?:await )?using [\w$]+ ?=/gm;

/**
 * Options of the runtime for long-running programs: less memory, but a slower start
 * without a code cache and without optimized code.
 */
export const SMALL_MEMORY: readonly string[] = [
  "--no-code-cache",
  "--v8-flags=--max-semi-space-size=1,--lite-mode",
];

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  try {
    const { options } = parseArguments(GRAMMAR, Deno.args);
    if (options.help) {
      console.log(
        "deno task install [--bin DIR] [--remove]\n\n" +
          "Installs mbus on your PATH (default: in ~/.local/bin), or removes it.",
      );
      return 0;
    }
    assertNotWindows();
    const places = installPaths(options.bin);
    if (options.remove) remove(places);
    else await install(places);
    return 0;
  } catch (error) {
    const { reportFailure } = await import("../cli/failure.ts");
    return reportFailure(error, false);
  }
}

function assertNotWindows(): void {
  if (Deno.build.os !== "windows") return;
  throw new RefusalError(
    "Cannot install mbus: the launcher is a shell script. On Windows run " +
      `"deno install --global --allow-all --name mbus ${root()}/cli.ts".`,
  );
}

/** Returns the folder of this checkout. */
function root(): string {
  return new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
}

async function install(places: InstallPaths): Promise<void> {
  assertNotForeign(places.launcher);
  Deno.mkdirSync(places.bin, { recursive: true });
  Deno.mkdirSync(places.bundle, { recursive: true });
  const bundled = await bundle(places);
  const checkout = decodeURIComponent(root());
  const programs = Object.fromEntries(
    Object.entries(ENTRIES).map(([name, source]) => [
      name,
      bundled ? `${places.bundle}/${name}` : `${checkout}/${source}`,
    ]),
  );
  const runtime = keepRuntime(places);
  // A bundle needs no configuration; the checkout needs its import map.
  const configuration = bundled
    ? BUNDLED.join(" ")
    : `--config ${quoted(`${checkout}/deno.json`)}`;
  const text = launcherText(runtime, programs, configuration);
  replaceFile(places.launcher, text, 0o755);
  const fragment = fragmentText(runtime, programs["hook.js"], configuration);
  replaceFile(places.fragment, fragment, 0o600);
  if (bundled) await fillCodeCache(runtime, places);
  console.log(`Installed mbus ${config.version} as ${places.launcher}.`);
  const folders = (Deno.env.get("PATH") ?? "").split(":").map(real);
  if (!folders.includes(real(places.bin))) {
    console.log(
      `${places.bin} is not on your PATH. Add\n` +
        `  export PATH="${places.bin}:$PATH"\nto your shell's start-up file.`,
    );
  }
}

/**
 * Fills the runtime's code cache for the standalone programs: runs them to find the
 * functions that they call, makes these compile eagerly, and runs them again. A
 * failure here only makes them slower.
 */
async function fillCodeCache(
  runtime: string,
  places: InstallPaths,
): Promise<void> {
  const reports = Deno.makeTempDirSync({ prefix: "mbus-install-" });
  try {
    await warmUp((call) =>
      runBundled(runtime, places, call, ["--no-code-cache"], {
        ...(call.usual && { DENO_COVERAGE_DIR: reports }),
      })
    );
    for (const [url, functions] of coveredIn(reports)) {
      const name = url.slice(url.lastIndexOf("/") + 1);
      // Other parts import each other, and are not rewritten.
      if (!isStandalone(name)) continue;
      const path = `${places.bundle}/${name}`;
      const source = Deno.readTextFileSync(path);
      replaceFile(path, compileEagerly(source, functions), 0o644);
    }
  } finally {
    Deno.removeSync(reports, { recursive: true });
  }
  await warmUp((call) => runBundled(runtime, places, call));
}

/** Runs a program of the bundle and waits for its end; ignores its exit code. */
async function runBundled(
  runtime: string,
  { bundle }: InstallPaths,
  { program, args, input, cwd, env }: WarmUpCall,
  flags: readonly string[] = [],
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const child = new Deno.Command(runtime, {
    args: [
      ...RUN,
      ...BUNDLED,
      ...flags,
      `${bundle}/${program}`,
      ...args,
    ],
    cwd,
    env: { ...env, ...more },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(JSON.stringify(input)));
    await writer.close();
  } catch {
    // The program has ended without reading its input.
  }
  await child.status;
}

function remove(places: InstallPaths): void {
  assertNotForeign(places.launcher);
  for (const path of removeInstalled(places)) console.log(`Removed ${path}.`);
}

/** Bundles the programs; returns whether that succeeded. */
async function bundle(places: InstallPaths): Promise<boolean> {
  for (const [name, source] of Object.entries(ENTRIES)) {
    if (!await bundleEntry(places, name, source)) return false;
  }
  return true;
}

async function bundleEntry(
  places: InstallPaths,
  name: string,
  source: string,
): Promise<boolean> {
  const split = Deno.makeTempDirSync({ dir: places.data, prefix: "new-" });
  const whole = Deno.makeTempDirSync({ dir: places.data, prefix: "new-" });
  try {
    if (!await bundleParts(source, split, `${whole}/parts`)) return false;
    deferImports(split);
    const parts = namesIn(split);
    const small = parts.filter((part) =>
      STANDALONE[name]?.includes(sourceOf(part))
    )
      .map((part) => `${split}/${part}`);
    if (small.length > 0 && !await bundleStandalone(small, split, whole)) {
      return false;
    }
    const entry = source.replace(/^.*\//, "").replace(/\.ts$/, ".js");
    for (const part of parts.filter((part) => part !== entry)) {
      Deno.renameSync(`${split}/${part}`, `${places.bundle}/${part}`);
    }
    // The entry comes last: until then, new commands run the previous version.
    Deno.renameSync(`${split}/${entry}`, `${places.bundle}/${name}`);
    return true;
  } finally {
    Deno.removeSync(split, { recursive: true });
    Deno.removeSync(whole, { recursive: true });
  }
}

/** Bundles a program into minified parts; `plain` is a folder for the check. */
async function bundleParts(
  source: string,
  split: string,
  plain: string,
): Promise<boolean> {
  const splitting = ["--code-splitting", "--outdir"];
  const isDone = await runBundler([...splitting, plain, source]) &&
    await runBundler(["--minify", ...splitting, split, source]);
  if (isDone) assertUsingKept(source, textsIn(plain), textsIn(split));
  return isDone;
}

function textsIn(folder: string): string {
  return namesIn(folder).map((name) =>
    Deno.readTextFileSync(`${folder}/${name}`)
  ).join("\n");
}

/** Bundles each part with its imports into one minified file. */
async function bundleStandalone(
  parts: readonly string[],
  split: string,
  folder: string,
): Promise<boolean> {
  const [plain, small] = [`${folder}/plain`, `${folder}/small`];
  const isDone = await runBundler(["--outdir", plain, ...parts]) &&
    await runBundler(["--minify", "--outdir", small, ...parts]);
  if (!isDone) return false;
  for (const part of namesIn(small)) {
    const [before, after] = [plain, small].map((folder) =>
      Deno.readTextFileSync(`${folder}/${part}`)
    );
    assertUsingKept(part, before, after);
    Deno.renameSync(`${small}/${part}`, `${split}/${part}`);
  }
  return true;
}

/**
 * Throws if minified text has fewer `using` than the plain one. The minifier
 * drops a `using` whose variable is read once.
 */
function assertUsingKept(name: string, plain: string, minified: string): void {
  const count = (text: string) => text.match(USING)?.length ?? 0;
  const [before, after] = [count(plain), count(minified)];
  if (after >= before) return;
  throw new Error(
    `Cannot bundle ${name}: ${
      before - after
    } of its ${before} "using" are missing. ` +
      `Read the variable of each at least twice.`,
  );
}

async function runBundler(args: readonly string[]): Promise<boolean> {
  let message = "";
  // The first call fetches the bundler, and fails while another process does.
  for (let attempts = 0; attempts < BUNDLER_ATTEMPTS; attempts++) {
    if (attempts > 0) await pause(BUNDLER_PAUSE_MS * 2 ** (attempts - 1));
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--external", "@db/sqlite", ...args],
      cwd: decodeURIComponent(root()),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return true;
    message = new TextDecoder().decode(stderr).trim();
  }
  console.error(message);
  console.error(
    "mbus is not bundled, because fetching the bundler failed. It runs from " +
      "this checkout and starts more slowly. Connect to the network and install " +
      "again.",
  );
  return false;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Returns the name of a part of the bundle without its hash. */
function sourceOf(part: string): string {
  return part.replace(/(-[A-Z0-9]{8})?\.js$/, "");
}

/** Returns whether a file of the bundle starts without another file. */
function isStandalone(name: string): boolean {
  return Object.hasOwn(STANDALONE, name) ||
    Object.values(STANDALONE).flat().includes(sourceOf(name));
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

/** Returns a permanent path of this runtime. */
function keepRuntime({ data }: InstallPaths): string {
  const path = Deno.execPath();
  if (!/\/(_npx|dlx(-[^/]*)?)\//.test(path)) return path;
  const kept = `${data}/deno-${Deno.version.deno}`;
  const fresh = `${kept}.${Deno.pid}`;
  try {
    Deno.linkSync(path, fresh);
  } catch {
    console.log(`Copying the runtime out of npm's cache to ${kept}.`);
    Deno.copyFileSync(path, fresh);
  }
  Deno.renameSync(fresh, kept);
  return kept;
}

/** Returns the text of the launcher. */
function launcherText(
  runtime: string,
  programs: Readonly<Record<string, string>>,
  configuration: string,
): string {
  const program = (name: string) => `program=${quoted(programs[name])}`;
  return `#!/bin/sh
${MARK}
deno=${quoted(runtime)}; [ -x "$deno" ] || deno=deno
${program("cli.js")} memory=
[ "$1" = with-lock ] || ${PREPARE}
case "$1" in
hook) [ -t 0 ] || { shift; ${program("hook.js")}; ${LEAVE_GONE_FOLDER}; } ;;
send) shift; ${program("send.js")} ;;
help|--help|-h|version|--version|-V) [ $# -gt 1 ] || ${program("help.js")} ;;
__complete) shift; ${program("complete.js")} ;;
statusline) shift; ${program("statusline.js")} ;;
tail) shift; ${program("tail.js")} memory=${quoted(SMALL_MEMORY.join(" "))} ;;
esac
exec "$deno" ${RUN.join(" ")} ${configuration} $memory "$program" "$@"
`;
}

/**
 * Returns the script that the shell of a hook sources (`hookCommand`).
 *
 * It replaces `mbus hook`, which would start another shell, by the program itself.
 * If the program or the runtime is missing, the shell runs `mbus`.
 */
export function fragmentText(
  runtime: string,
  program: string,
  configuration: string,
): string {
  const [deno, hook] = [quoted(runtime), quoted(program)];
  return `# How hooks run mbus, made by deno task install of @coditect/message-bus.
${LEAVE_GONE_FOLDER}
[ -x ${deno} ] && [ -r ${hook} ] && shift 2 && ${PREPARE} &&
set -- ${deno} ${RUN.join(" ")} ${configuration} ${hook} "$@"
`;
}

// The runtime loads the module of a literal import() before it runs the first line.
// A computed specifier is loaded on demand.
function deferImports(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const text = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(
      path,
      text.replaceAll(
        /\bimport\(("\.\/[^"]+")\)/g,
        "import(import.meta.resolve($1))",
      ),
    );
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Replaces a file in one step, so that a starting command finds either version. */
function replaceFile(path: string, text: string, mode: number): void {
  const fresh = `${path}.${Deno.pid}`;
  Deno.writeTextFileSync(fresh, text, { mode });
  Deno.chmodSync(fresh, mode);
  Deno.renameSync(fresh, path);
}

function real(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}
