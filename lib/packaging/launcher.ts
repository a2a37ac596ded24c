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
import {
  MARK,
  type Places,
  placesOf,
  refuseForeign,
  removeLaunched,
} from "./launched.ts";
import { RefusalError } from "../cli/refusal.ts";
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

/** The programs: the name of each bundle, and its source. */
const ENTRIES: Readonly<Record<string, string>> = {
  "hook.js": "lib/cli/bin/hook.ts",
  "cli.js": "cli.ts",
};

// The hook is minified, which saves a twentieth of its start. The minifier loses
// a `using` whose variable is read once (esbuild issue 4482), as some of the
// command's are.
const MINIFIED = "hook.js";

// The runtime does not start in a folder that is gone, and the project of a hook
// is told by its input. A shell in such a folder has no PWD, or one of old.
const LEAVE_GONE_FOLDER =
  'case $PWD in /*) cd "$PWD" ;; *) false ;; esac 2>/dev/null || cd /';

// How all programs are run, and those that need nothing but themselves.
const RUN = ["run", "--quiet", "--no-lock", "--no-check", "--allow-all"];
const BUNDLED = ["--no-config", "--cached-only"];

// The runtime need not look whether there is a newer one of it, a third of a
// millisecond each time; what else is run for somebody is not told so.
const NO_UPDATE_CHECK = "export DENO_NO_UPDATE_CHECK=1";

// Where another process fetches the bundler just then, it takes some seconds.
const BUNDLER_ATTEMPTS = 5;
const BUNDLER_PAUSE_MS = 500;

// A declaration that closes its value at the end of a block, outside comments.
const USING = /(?<=^\s*|[;{}])(?:await )?using [\w$]+ ?=/gm;

// The runtime keeps compiled code from one start to the next, but only of the
// functions that were compiled as their file was loaded: with this option, all.
const COMPILED_WHOLE = ["--v8-flags=--no-lazy"];

/**
 * Options of the runtime for a program that runs for long: a few milliseconds
 * slower to start, because no compiled code is kept, and 3 MB smaller.
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
    refuseWindows();
    const places = placesOf(options.bin);
    if (options.remove) remove(places);
    else await install(places);
    return 0;
  } catch (error) {
    const { reportFailure } = await import("../cli/failure.ts");
    return reportFailure(error, false);
  }
}

function refuseWindows(): void {
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

async function install(places: Places): Promise<void> {
  refuseForeign(places.launcher);
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
  console.log(`Installed mbus ${config.version} as ${places.launcher}.`);
  const folders = (Deno.env.get("PATH") ?? "").split(":").map(real);
  if (!folders.includes(real(places.bin))) {
    console.log(
      `${places.bin} is not on your PATH: add\n` +
        `  export PATH="${places.bin}:$PATH"\nto your shell's start-up file.`,
    );
  }
}

function remove(places: Places): void {
  refuseForeign(places.launcher);
  for (const path of removeLaunched(places)) console.log(`Removed ${path}.`);
}

/** Bundles the programs; returns whether that could be done. */
async function bundle(places: Places): Promise<boolean> {
  for (const [name, source] of Object.entries(ENTRIES)) {
    if (!await bundleEntry(places, name, source)) return false;
  }
  return true;
}

async function bundleEntry(
  places: Places,
  name: string,
  source: string,
): Promise<boolean> {
  const folder = Deno.makeTempDirSync({ dir: places.data, prefix: "new-" });
  const split = ["--code-splitting", source, "--outdir"];
  let parts = `${folder}/plain`;
  try {
    if (!await runBundler([...split, parts])) return false;
    if (name === MINIFIED) {
      const minified = `${folder}/minified`;
      if (!await runBundler(["--minify", ...split, minified])) return false;
      assertKeepsUsing(parts, minified);
      parts = minified;
    }
    importLater(parts);
    const entry = source.replace(/^.*\//, "").replace(/\.ts$/, ".js");
    for (const part of namesIn(parts).filter((part) => part !== entry)) {
      Deno.renameSync(`${parts}/${part}`, `${places.bundle}/${part}`);
    }
    // The entry comes last: until then all starts run the one before.
    Deno.renameSync(`${parts}/${entry}`, `${places.bundle}/${name}`);
    return true;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/**
 * Asserts that a minified bundle closes all that the plain one closes.
 *
 * @param plain The folder of the plain bundle.
 * @param minified The folder of the minified one.
 * @throws {Error} If a `using` is lost.
 */
export function assertKeepsUsing(plain: string, minified: string): void {
  const count = (folder: string) =>
    namesIn(folder).reduce((sum, name) => {
      const text = Deno.readTextFileSync(`${folder}/${name}`);
      return sum + (text.match(USING)?.length ?? 0);
    }, 0);
  const [before, after] = [count(plain), count(minified)];
  if (after >= before) return;
  throw new Error(
    `Cannot bundle ${MINIFIED}: the minifier lost ${before - after} of its ` +
      `${before} "using" declarations. Read the variable of each twice.`,
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

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

/** A name of this runtime that stays. */
function keepRuntime({ data }: Places): string {
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
${program("cli.js")} options=${quoted(COMPILED_WHOLE.join(" "))}
[ "$1" = with-lock ] || ${NO_UPDATE_CHECK}
case "$1" in
hook) [ -t 0 ] || { shift; ${program("hook.js")}; ${LEAVE_GONE_FOLDER}; } ;;
tail) options=${quoted(SMALL_MEMORY.join(" "))} ;;
esac
exec "$deno" ${RUN.join(" ")} ${configuration} $options "$program" "$@"
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
set -- ${deno} ${
    [...RUN, ...COMPILED_WHOLE].join(" ")
  } ${configuration} ${hook} "$@"
`;
}

// The runtime loads each file that a literal import() names before it runs the
// first line: for the command, the parts of all commands. Its own option to load
// them later is unstable: given as a flag, a runtime without it does not start;
// given in a file, that file costs a hook a third of a millisecond; given in a
// variable, other programs that a command starts get it as well.
function importLater(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = `${folder}/${name}`;
    const text = Deno.readTextFileSync(path).replaceAll(
      /\bimport\(("\.\/[^"]+")\)/g,
      "import(import.meta.resolve($1))",
    );
    Deno.writeTextFileSync(path, text);
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
