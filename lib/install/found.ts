/**
 * Finds the agents of this machine, and the state of our parts in their files.
 *
 * JSON, a line for each agent: `{ agent, program, folder, parts: [{ part,
 * scope, program?, path, status, message? }] }`. `program` is the file on the
 * PATH and `folder` the folder of its configuration, null where there is none;
 * `status` is `current`, `outdated`, `absent` or, with a `message`,
 * `unreadable`.
 *
 * @module
 */

import type { AgentName } from "../hooks/agents/agent.ts";
import {
  ConfigError,
  type ConfigPlace,
  type ConfigScope,
} from "./agents/config.ts";
import { MessageBusError } from "../model/errors.ts";
import { printJson, printLine } from "../cli/output/output.ts";
import { type Cell, tableLines } from "../cli/output/table.ts";
import type { Paint } from "../cli/output/terminal.ts";
import {
  hookParts,
  type Part,
  partsOf,
  type PartStatus,
  statusOf,
} from "./part.ts";
import { busFolder, placeOfProcess } from "./place.ts";
import { readTextFile } from "./text_file.ts";

/** The state of a part in its file. */
export interface FoundPart extends Pick<Part, "scope" | "program" | "path"> {
  /** The kind of part. */
  readonly part: Part["kind"];
  /** The state. */
  readonly status: PartStatus | "unreadable";
  /** Reason why the file cannot be read. */
  readonly message?: string;
}

/** An agent, as found on this machine. */
export interface FoundAgent {
  /** The agent. */
  readonly agent: AgentName;
  /** Path of its program on the PATH. */
  readonly program: string | null;
  /** Folder of its configuration. */
  readonly folder: string | null;
  /** The states of our parts. */
  readonly parts: readonly FoundPart[];
}

const PROGRAMS: Readonly<Record<AgentName, readonly string[]>> = {
  claude: ["claude"],
  codex: ["codex"],
  gemini: ["gemini"],
  kimi: ["kimi", "kimi-code", "kimi-cli"],
  qwen: ["qwen"],
  copilot: ["copilot"],
  cursor: ["cursor-agent", "cursor"],
  opencode: ["opencode"],
  droid: ["droid"],
};

const SCOPES: readonly ConfigScope[] = ["user", "project"];

/** Prints these agents, as found on this machine. */
export function printFound(
  agents: readonly AgentName[],
  options: { readonly home: string | undefined; readonly json: boolean },
): void {
  const place = placeOfProcess();
  const bus = busFolder(options.home);
  const found = agents.map((agent) => findAgent(agent, place, bus));
  if (options.json) found.forEach(printJson);
  else tableLines(COLUMNS, found.flatMap(rows)).forEach(printLine);
}

/** Returns the path of an agent's program on the PATH. */
export function programOf(agent: AgentName): string | undefined {
  return onPath(PROGRAMS[agent]);
}

/** Returns the path of the first of these programs on the PATH. */
export function onPath(names: readonly string[]): string | undefined {
  const isWindows = Deno.build.os === "windows";
  const endings = isWindows ? [".exe", ".cmd", ".ps1"] : [""];
  const folders = (Deno.env.get("PATH") ?? "").split(isWindows ? ";" : ":");
  for (const folder of folders.filter((each) => each !== "")) {
    for (const name of names) {
      const path = endings.map((ending) => `${folder}/${name}${ending}`)
        .find(isProgram);
      if (path !== undefined) return path;
    }
  }
  return undefined;
}

/** Returns an agent's own folder, from the path of a configuration file. */
export function folderOfAgent(path: string): string {
  return path.replace(/(\/(hooks|plugins))?\/[^/]+$/, "");
}

/** Whether a path is a folder. */
export function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function findAgent(
  agent: AgentName,
  place: ConfigPlace,
  bus: string | undefined,
): FoundAgent {
  const folder = hookParts(agent, "user", place)
    .map(({ path }) => folderOfAgent(path)).find(isFolder);
  const parts = SCOPES.flatMap((scope) => partsOf(agent, scope, place, bus));
  return {
    agent,
    program: programOf(agent) ?? null,
    folder: folder ?? null,
    parts: parts.map(findPart),
  };
}

function findPart(part: Part): FoundPart {
  const { kind, scope, program, path } = part;
  const where = {
    part: kind,
    scope,
    ...(program !== undefined && { program }),
    path,
  };
  try {
    const text = readTextFile(path)?.text;
    // Shows now that the file cannot be edited, not only at an installation.
    if (text !== undefined) part.put(text);
    return { ...where, status: statusOf(part, text) };
  } catch (error) {
    const isTold = error instanceof ConfigError ||
      error instanceof MessageBusError;
    if (!isTold) throw error;
    return { ...where, status: "unreadable", message: error.message };
  }
}

function isProgram(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}

const COLUMNS = [
  { heading: "AGENT" },
  { heading: "USER" },
  { heading: "PROJECT" },
  { heading: "FOUND" },
] as const;

const PAINTS: Readonly<Record<FoundPart["status"], Paint>> = {
  current: "green",
  outdated: "yellow",
  absent: "dim",
  unreadable: "red",
};

/** Returns a row for each program of an agent. */
function rows({ agent, program, folder, parts }: FoundAgent): Cell[][] {
  const hooks = parts.filter(({ part }) => part === "hooks");
  const programs = new Set(hooks.map((part) => part.program));
  return [...programs].map((name) => {
    const at = (scope: ConfigScope): Cell => {
      const part = hooks.find((each) =>
        each.scope === scope && each.program === name
      );
      return part === undefined
        ? { text: "-" }
        : { text: part.status, paint: PAINTS[part.status] };
    };
    return [
      { text: name ?? agent },
      at("user"),
      at("project"),
      { text: program ?? folder ?? "-" },
    ];
  });
}
