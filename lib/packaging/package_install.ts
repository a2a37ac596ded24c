/**
 * `deno task install`: puts a fast `mbus` on the user's PATH from a checkout.
 *
 * ```text
 * ~/.local/share/message-bus/‹version›/cli.js …    the program, bundled in parts
 * ~/.local/share/message-bus/‹version›/hook.js …   what agents run, by itself
 * ~/.local/share/message-bus/hook.sh               a line of shell: how hooks run theirs
 * ~/.local/bin/mbus                                a few lines of shell that run them
 * ```
 *
 * The bundle is split, so that a command loads only what it needs. Its parts
 * are named by their content: installing again leaves the parts alone that
 * running commands may yet load, and `cli.js` changes in one step.
 *
 * The launcher names the runtime by its absolute path, as a look through PATH
 * may find a slow wrapper. Where the runtime lies in a cache that may be
 * emptied (`npx`), it gets a second name beside the bundle (a hard link, or a
 * copy where there can be none).
 *
 * A file that is called `mbus` and is not ours is never overwritten.
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

/** How it is called. */
const GRAMMAR = {
  name: "install",
  positionals: [],
  options: {
    bin: {
      kind: "string",
      help: "The folder on your PATH (else ~/.local/bin)",
    },
    remove: { kind: "flag", help: "Remove what was installed" },
  },
} as const;

/** The programs: what each is bundled as, and from what. */
const ENTRIES: Readonly<Record<string, string>> = {
  "hook.js": "lib/cli/bin/hook.ts",
  "send.js": "lib/cli/bin/send.ts",
  "tail.js": "lib/cli/bin/tail.ts",
  "cli.js": "cli.ts",
};

// The runtime does not start in a folder that is gone, and the project of a hook
// is told by its input. A shell in such a folder has no PWD, or one of old.
const LEAVE_GONE_FOLDER =
  'case $PWD in /*) cd "$PWD" ;; *) false ;; esac 2>/dev/null || cd /';

// What has to start soonest, what of it is loaded later but often, and what stays
// for long: each is one small file, as every file more that is looked for costs a
// quarter of a millisecond, and what is loaded stays in memory. Each has its own
// copy of what several use, so none may ask another one's values for their class.
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
};

// How all programs are run, and those that need nothing but themselves.
const RUN = ["run", "--quiet", "--no-lock", "--no-check", "--allow-all"];
const BUNDLED = ["--no-config", "--cached-only"];

// The runtime need not look whether there is a newer one of it, a third of a
// millisecond each time; what else is run for somebody is not told so.
const NO_UPDATE_CHECK = "export DENO_NO_UPDATE_CHECK=1";

// Where another process fetches the bundler just then, it takes some seconds.
const BUNDLER_ATTEMPTS = 5;
const BUNDLER_PAUSE_MS = 500;

// What is closed at the end of its block; not what a comment tells of.
const USING = /(?<=^\s*|[;{}])(?:await )?using [\w$]+ ?=/gm;

/**
 * Options of the runtime for what runs for long: a few milliseconds slower to start,
 * as it has no code that was kept and none that is optimized, and 3 MB smaller from
 * then on.
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
          "Puts mbus on your PATH, by default in ~/.local/bin, or removes it.",
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
    "Cannot install: the launcher is a shell script; on Windows run " +
      `"deno install --global --allow-all --name mbus ${root()}/cli.ts".`,
  );
}

/** The checkout that this file is in. */
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
  // The bundle needs nothing else; the checkout needs its names of packages.
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
      `${places.bin} is not on your PATH: add\n` +
        `  export PATH="${places.bin}:$PATH"\nto your shell's start-up file.`,
    );
  }
}

/**
 * Has the runtime compile ahead what the programs that have to start soonest
 * call, and keep it: what they call is found by running them. What fails here
 * makes them no worse than slow.
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
      // Other parts import each other, and are not compiled ahead.
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

/** Runs a program of the bundle to its end, however that is. */
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
    // It has ended without reading it.
  }
  await child.status;
}

function remove(places: InstallPaths): void {
  assertNotForeign(places.launcher);
  for (const path of removeInstalled(places)) console.log(`Removed ${path}.`);
}

/** Bundles the programs; returns whether that could be done. */
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
    if (!await runBundler(["--code-splitting", "--outdir", split, source])) {
      return false;
    }
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
    // The entry comes last: until then everybody runs the one before.
    Deno.renameSync(`${split}/${entry}`, `${places.bundle}/${name}`);
    return true;
  } finally {
    Deno.removeSync(split, { recursive: true });
    Deno.removeSync(whole, { recursive: true });
  }
}

/** Puts each part together with what it imports, as one small file. */
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
    assertUsingKept(`${plain}/${part}`, `${small}/${part}`);
    Deno.renameSync(`${small}/${part}`, `${split}/${part}`);
  }
  return true;
}

/**
 * Refuses a small file that closes less than the plain one: a `using` whose
 * variable is used once may get lost (esbuild issue 4482).
 */
function assertUsingKept(plain: string, small: string): void {
  const count = (path: string) =>
    Deno.readTextFileSync(path).match(USING)?.length ?? 0;
  const [before, after] = [count(plain), count(small)];
  if (after >= before) return;
  throw new Error(
    `Cannot bundle ${plain}: ${
      before - after
    } of its ${before} "using" got lost; ` +
      `use the variable of each twice.`,
  );
}

async function runBundler(args: readonly string[]): Promise<boolean> {
  let told = "";
  // The first time the bundler is fetched, and fails where another process is
  // fetching it just then.
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
    told = new TextDecoder().decode(stderr).trim();
  }
  console.error(told);
  console.error(
    "It could not be bundled, which needs the network the first time: mbus " +
      "will run from this checkout, and start a little slower.",
  );
  return false;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The name of a part of the bundle without what its content adds. */
function sourceOf(part: string): string {
  return part.replace(/(-[A-Z0-9]{8})?\.js$/, "");
}

/** Whether a file of the bundle needs no other to begin. */
function isStandalone(name: string): boolean {
  return Object.hasOwn(STANDALONE, name) ||
    Object.values(STANDALONE).flat().includes(sourceOf(name));
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

/** A name of this runtime that stays. */
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

/** The launcher: no folder is searched, and nothing fetched for a bundle. */
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
[ "$1" = with-lock ] || ${NO_UPDATE_CHECK}
case "$1" in
hook) [ -t 0 ] || { shift; ${program("hook.js")}; ${LEAVE_GONE_FOLDER}; } ;;
send) shift; ${program("send.js")} ;;
tail) shift; ${program("tail.js")} memory=${quoted(SMALL_MEMORY.join(" "))} ;;
esac
exec "$deno" ${RUN.join(" ")} ${configuration} $memory "$program" "$@"
`;
}

/**
 * What the shell of a hook reads (`hookCommand`): in place of `mbus hook`, which
 * would start another shell, it runs the program itself. Where that or the runtime
 * is gone it is left at `mbus`, which may know another one.
 */
export function fragmentText(
  runtime: string,
  program: string,
  configuration: string,
): string {
  const [deno, hook] = [quoted(runtime), quoted(program)];
  return `# How hooks run mbus, made by deno task install of @coditect/message-bus.
${LEAVE_GONE_FOLDER}
[ -x ${deno} ] && [ -r ${hook} ] && shift 2 && ${NO_UPDATE_CHECK} &&
set -- ${deno} ${RUN.join(" ")} ${configuration} ${hook} "$@"
`;
}

// The runtime loads whatever a literal import() names before it runs the first
// line, so the parts of all commands for each: what is put together is loaded
// when it is called for.
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

/** Replaces a file in one step: a command that starts now finds either one. */
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
