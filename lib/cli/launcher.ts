/**
 * `deno task install`: puts a fast `mbus` on the user's PATH from a checkout.
 *
 * ```text
 * ~/.local/share/message-bus/‹version›/cli.js …    the program, bundled in parts
 * ~/.local/share/message-bus/‹version›/hook.js …   what agents run, by itself
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

import { parseArguments } from "./arguments.ts";
import { InvalidInputError } from "../errors.ts";
import { RefusalError } from "./refusal.ts";
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

const MARK = "# Runs mbus, made by deno task install of @coditect/message-bus.";

/** The programs: what each is bundled as, and from what. */
const ENTRIES: Readonly<Record<string, string>> = {
  "hook.js": "lib/cli/hook_entry.ts",
  "send.js": "lib/cli/send_entry.ts",
  "cli.js": "cli.ts",
};

/** Where everything is put. */
interface Places {
  /** The folder on the PATH. */
  readonly bin: string;
  /** The launcher. */
  readonly launcher: string;
  /** The folder of all versions. */
  readonly data: string;
  /** The bundle. */
  readonly bundle: string;
}

// For what runs for long: slower to start, as it has no cached code, and 3 MB
// smaller from then on.
const SMALL_MEMORY = "--v8-flags=--max-semi-space-size=1,--optimize-for-size";

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
    const places = placesOf(options.bin);
    if (options.remove) remove(places);
    else await install(places);
    return 0;
  } catch (error) {
    const { reportFailure } = await import("./failure.ts");
    return reportFailure(error, false);
  }
}

function placesOf(bin: string | undefined): Places {
  if (Deno.build.os === "windows") {
    throw new RefusalError(
      "Cannot install: the launcher is a shell script; on Windows run " +
        `"deno install --global --allow-all --name mbus ${root()}/cli.ts".`,
    );
  }
  const home = Deno.env.get("HOME");
  if (!home) {
    throw new InvalidInputError(
      "home",
      "Cannot install: HOME is not set; set it to your home folder.",
    );
  }
  const folder = absolute(bin ?? `${home}/.local/bin`);
  const data = `${
    Deno.env.get("XDG_DATA_HOME") || `${home}/.local/share`
  }/message-bus`;
  return {
    bin: folder,
    launcher: `${folder}/mbus`,
    data,
    bundle: `${data}/${config.version}`,
  };
}

function absolute(path: string): string {
  const full = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return full.replace(/(?<=.)\/+$/, "");
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
  replaceFile(places.launcher, launcherText(runtime, programs), 0o755);
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
  for (const path of [places.launcher, places.data]) {
    try {
      Deno.removeSync(path, { recursive: path === places.data });
      console.log(`Removed ${path}.`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Refuses where somebody else's `mbus` is. */
function refuseForeign(launcher: string): void {
  let text: string;
  try {
    Deno.lstatSync(launcher);
    text = Deno.readTextFileSync(launcher);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !isLink(launcher)) return;
    // A folder, a broken link, a file that may not be read.
    text = "";
  }
  if (text.includes(MARK)) return;
  throw new RefusalError(
    `Cannot install: ${launcher} is another program's; move it away, or choose ` +
      `another folder with "deno task install --bin DIR".`,
  );
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
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
  const fresh = Deno.makeTempDirSync({ dir: places.data, prefix: "new-" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "bundle",
        "--quiet",
        "--minify",
        "--code-splitting",
        "--external",
        "@db/sqlite",
        "--outdir",
        fresh,
        source,
      ],
      cwd: decodeURIComponent(root()),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      console.error(new TextDecoder().decode(stderr).trim());
      console.error(
        "It could not be bundled, which needs the network the first time: mbus " +
          "will run from this checkout, and start a little slower.",
      );
      return false;
    }
    importLater(fresh);
    const entry = source.replace(/^.*\//, "").replace(/\.ts$/, ".js");
    const parts = [...Deno.readDirSync(fresh)].map(({ name }) => name)
      .filter((part) => part !== entry);
    for (const part of parts) {
      Deno.renameSync(`${fresh}/${part}`, `${places.bundle}/${part}`);
    }
    // The entry comes last: until then everybody runs the one before.
    Deno.renameSync(`${fresh}/${entry}`, `${places.bundle}/${name}`);
    return true;
  } finally {
    Deno.removeSync(fresh, { recursive: true });
  }
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

/** The launcher: no folder is searched, no configuration read, nothing fetched. */
function launcherText(
  runtime: string,
  programs: Readonly<Record<string, string>>,
): string {
  return `#!/bin/sh
${MARK}
deno=${quoted(runtime)}; [ -x "$deno" ] || deno=deno
program=${quoted(programs["cli.js"])} memory=
case "$1" in
hook) [ -t 0 ] || { shift; program=${quoted(programs["hook.js"])}; } ;;
send) shift; program=${quoted(programs["send.js"])} ;;
tail) memory=${SMALL_MEMORY} ;;
esac
exec "$deno" run --quiet --no-config --no-lock --no-check --cached-only --allow-all $memory "$program" "$@"
`;
}

// The runtime loads whatever a literal import() names before it runs the first
// line, so the parts of all commands for each: what is put together is loaded
// when it is called for.
function importLater(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const text = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(
      path,
      text.replaceAll(/\bimport\("\.\//g, 'import("."+"/'),
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
