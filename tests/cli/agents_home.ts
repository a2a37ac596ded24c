/**
 * Home folder and project with configuration of coding agents, in which `mbus
 * install` and `uninstall` run as child processes.
 *
 * @module
 */

import { AGENT_NAMES, type AgentName } from "../../lib/hooks/agents/agent.ts";
import type {
  ConfigFile,
  ConfigPlace,
  ConfigScope,
} from "../../lib/install/agents/config.ts";
import { AGENT_CONFIGS } from "../../lib/install/agents/configs.ts";
import { Mbus, type StartOptions } from "./mbus.ts";

/** Options of both scopes. */
export const SCOPES: readonly ConfigScope[] = ["user", "project"];

/** An event of each agent whose configuration is JSON. */
export const EVENTS: Partial<Record<AgentName, string>> = {
  claude: "PreToolUse",
  gemini: "BeforeTool",
  qwen: "PreToolUse",
  copilot: "preToolUse",
  cursor: "preToolUse",
  droid: "PreToolUse",
};

/** Outcome of one part, as `--json` prints it. */
export interface Told {
  readonly agent?: string;
  readonly scope?: string;
  readonly part: string;
  readonly path?: string;
  readonly target?: string;
  readonly done: string;
  readonly diff?: string;
  readonly backup?: string;
  readonly message?: string;
  readonly line?: number;
  readonly column?: number;
}

/** Home folder and project, and commands that run in them. */
export class AgentsHome extends Mbus {
  /** The home folder. */
  readonly user: string = `${this.folder}/home`;
  /** The project. */
  readonly project: string = `${this.folder}/project`;
  /** Paths of the agents' configuration. */
  readonly place: ConfigPlace = {
    home: this.user,
    project: this.project,
    env: () => undefined,
  };

  /** Returns the files of an agent's hooks. */
  files(agent: AgentName, scope: ConfigScope = "user"): ConfigFile[] {
    return AGENT_CONFIGS[agent].files(scope, this.place);
  }

  /** Returns the path of an agent's first file. */
  path(agent: AgentName, scope: ConfigScope = "user"): string {
    return this.files(agent, scope)[0].path;
  }

  /** Runs a command that must succeed; returns its outcomes. */
  async told(
    args: readonly string[],
    options?: StartOptions,
  ): Promise<Told[]> {
    return await this.json(args, options) as unknown as Told[];
  }

  /** Returns all files below the home folder and the project. */
  listing(): Record<string, string> {
    return { ...listingOf(this.user), ...listingOf(this.project) };
  }
}

/** Writes a file, and creates the folders above it. */
export function write(path: string, text: string): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

/** Writes a sample to each file of all agents but opencode. */
export function writeSamples(
  home: AgentsHome,
  json: string,
  toml: string,
): void {
  for (const agent of AGENT_NAMES.filter((name) => name !== "opencode")) {
    for (const scope of SCOPES) {
      for (const { path, format } of home.files(agent, scope)) {
        const text = json.replaceAll("%A", agent)
          .replaceAll("%E", EVENTS[agent] ?? "");
        write(path, format === "toml" ? toml : text);
      }
    }
  }
}

/** Returns a file's text with its byte order mark; undefined if it is missing. */
export function read(path: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { ignoreBOM: true })
      .decode(Deno.readFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Returns the names below a folder, each with its text, kind and mode. */
export function listingOf(folder: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const mode = ((Deno.lstatSync(path).mode ?? 0) & 0o7777).toString(8);
    if (isSymlink) all[path] = `link ${Deno.readLinkSync(path)}`;
    else if (isDirectory) {
      Object.assign(all, { [path]: `folder ${mode}` }, listingOf(path));
    } else all[path] = `${mode} ${read(path)}`;
  }
  return all;
}
