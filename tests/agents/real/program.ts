/**
 * The real programs of coding agents, from npm, with pinned versions.
 *
 * They take 2 GB, so `MBUS_TEST_AGENTS` selects them: `all`, `ci` (for every
 * change) or names, such as `claude,codex`. They stay in folders below
 * `$MBUS_TEST_AGENTS_DIR` (default: `mbus-test-agents` in the user's cache
 * folder).
 *
 * npm installs into a temporary folder that is then renamed, so a folder with
 * the final name is complete even during other installations. A test whose
 * program cannot be installed is ignored, with the reason.
 *
 * @module
 */

/** An agent whose program runs without an account. */
export type ProgramName =
  | "claude"
  | "codex"
  | "gemini"
  | "qwen"
  | "kimi"
  | "copilot"
  | "opencode"
  | "droid";

/** An installed program. */
export interface Program {
  /** The folder of its command. */
  readonly commands: string;
  /** The folder of its `node`. */
  readonly nodeCommands: string;
}

/** A program that is not installed. */
export interface MissingProgram {
  /** The reason, for the name of an ignored test. */
  readonly missing: string;
}

/** One version of one npm package. */
export interface PinnedPackage {
  /** The name of the package. */
  readonly name: string;
  /** The version. */
  readonly version: string;
}

const PACKAGES: Readonly<Record<ProgramName, PinnedPackage>> = {
  claude: { name: "@anthropic-ai/claude-code", version: "2.1.330" },
  codex: { name: "@openai/codex", version: "0.171.0" },
  gemini: { name: "@google/gemini-cli", version: "0.61.0" },
  qwen: { name: "@qwen-code/qwen-code", version: "0.24.4" },
  kimi: { name: "@moonshot-ai/kimi-code", version: "2.1.0" },
  copilot: { name: "@github/copilot", version: "1.0.102" },
  opencode: { name: "opencode-ai", version: "1.18.33" },
  droid: { name: "droid", version: "0.215.0" },
};

// Several agents need Node 22.19 or newer.
const NODE: PinnedPackage = { name: "node", version: "22.23.3" };

const CI_PROGRAMS: readonly string[] = ["claude", "codex", "gemini"];
const INSTALL_MS_MAX = 240_000;

/** Returns an agent's program, and installs it if it is selected. */
export async function findProgram(
  name: ProgramName,
): Promise<Program | MissingProgram> {
  const asked = Deno.env.get("MBUS_TEST_AGENTS") ?? "";
  if (!isAskedFor(name, asked)) {
    return {
      missing: `set MBUS_TEST_AGENTS=${name} to fetch and run the program`,
    };
  }
  if (Deno.build.os !== "linux") return { missing: "written for Linux" };
  try {
    const node = await installed(NODE);
    const folder = await installed(PACKAGES[name], `${node}/node/bin`);
    return { commands: `${folder}/.bin`, nodeCommands: `${node}/node/bin` };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Returns the `node_modules` of a package, and installs it if it is missing.
 *
 * @param node The folder of the `node` to install with (default: the system's).
 */
export async function installed(
  wanted: PinnedPackage,
  node?: string,
): Promise<string> {
  const root = cacheFolder();
  const name = `${wanted.name.replaceAll("/", "+")}@${wanted.version}`;
  const folder = `${root}/${name}`;
  if (!(await exists(folder))) {
    const work = `${root}/.${crypto.randomUUID()}`;
    await Deno.mkdir(work, { recursive: true });
    try {
      await install(wanted, work, node);
      await Deno.rename(work, folder);
    } catch (error) {
      await Deno.remove(work, { recursive: true });
      // Another process has installed it in the meantime.
      if (!(await exists(folder))) throw error;
    }
  }
  return `${folder}/node_modules`;
}

function isAskedFor(name: ProgramName, asked: string): boolean {
  const names = asked.split(",").map((each) => each.trim());
  return names.includes("all") || names.includes(name) ||
    (names.includes("ci") && CI_PROGRAMS.includes(name));
}

async function install(
  { name, version }: PinnedPackage,
  folder: string,
  node: string | undefined,
): Promise<void> {
  const manifest = {
    private: true,
    dependencies: { [name]: version },
    allowScripts: { [name]: true },
  };
  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify(manifest),
  );
  const path = Deno.env.get("PATH") ?? "";
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--loglevel=error"],
    cwd: folder,
    env: { PATH: node === undefined ? path : `${node}:${path}` },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(INSTALL_MS_MAX),
  }).output();
  if (success) return;
  const [why = "it did not say why"] = new TextDecoder().decode(stderr)
    .split("\n").filter((line) => line !== "");
  throw new Error(`npm cannot install ${name}@${version}: ${why}`);
}

function cacheFolder(): string {
  const own = Deno.env.get("MBUS_TEST_AGENTS_DIR");
  if (own) return own;
  const cache = Deno.env.get("XDG_CACHE_HOME") ||
    `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return `${cache}/mbus-test-agents`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
