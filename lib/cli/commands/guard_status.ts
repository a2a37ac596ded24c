/**
 * `mbus guard status`: says for each hook whether git runs the guard.
 *
 * JSON: a line for each hook: `{ hook, path, runs, message, remedy?, program?,
 * idle? }`, `idle` being the files of the guard that git does not run.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import {
  type HookName,
  type HookProgram,
  HOOKS,
  type HookStanding,
  standingOf,
} from "../guard/hook.ts";
import { type HookPlace, hookPlace } from "../guard/place.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const status: Command = defineCommand({
  name: "guard status",
  summary: "Say whether git runs the guard here",
  details: [
    "Git is asked where it looks for hooks. With 1 it runs one of them " +
    "without the guard.",
  ],
  positionals: [],
  options: {},
  async run({ options }) {
    const place = await hookPlace("tell how the guard stands");
    const all = guardAt(place);
    for (const each of all) {
      if (options.json) printJson(each);
      else printGuard(each);
    }
    if (!options.json && !hasProgram()) {
      printToStderr(`mbus: ${NO_PROGRAM}; ${PUT_ON_PATH}.`);
    }
    return all.every(({ runs }) => runs) && hasProgram()
      ? EXIT.done
      : EXIT.refused;
  },
});

export default status;

/** The effect of hooks without `mbus` on their PATH. */
export const NO_PROGRAM = "mbus is not on the PATH, so the hooks check nothing";

/** The remedy for that. */
export const PUT_ON_PATH = "put mbus on the PATH of git";

/** How the guard stands at one hook. */
export interface GuardStanding {
  /** Which hook. */
  readonly hook: HookName;
  /** The file that git runs. */
  readonly path: string;
  /** Whether git runs the guard. */
  readonly runs: boolean;
  /** Why, for people. */
  readonly message: string;
  /** The remedy, if the guard does not run or is outdated. */
  readonly remedy?: string;
  /** The program whose hook it is, if it is a known one. */
  readonly program?: HookProgram;
  /** Files of the guard that git does not run. */
  readonly idle?: readonly string[];
}

/** How the guard stands at each hook that git runs in a place. */
export function guardAt(place: HookPlace): GuardStanding[] {
  return HOOKS.map((hook) => {
    const standing = standingOf(place.folder, hook);
    const idle = [
      ...standing.idle,
      ...place.others.flatMap((folder) => filesOf(folder, hook)),
    ];
    const { path, program, outdated } = standing;
    const caller = callerOf(standing, place.top);
    const runs = standing.state === "guard" || standing.state === "chained" ||
      caller !== undefined;
    const where = place.setting === undefined ? "" : ` (${place.setting})`;
    return {
      hook,
      path,
      runs,
      message: messageOf(standing, caller) + (runs ? "" : where),
      ...(runs && outdated && {
        remedy: 'it is of another version: run "mbus guard install"',
      }),
      ...(!runs && { remedy: 'run "mbus guard install"' }),
      ...(program !== undefined && { program }),
      ...(idle.length > 0 && { idle }),
    };
  });
}

/** Whether a shell finds `mbus`, as the hooks need it. */
export function hasProgram(): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) =>
    isFile(`${folder}/mbus`)
  );
}

function messageOf(
  { state, program }: HookStanding,
  caller: string | undefined,
): string {
  if (caller !== undefined) return `git runs the guard, by ${caller}`;
  switch (state) {
    case "guard":
      return "git runs the guard";
    case "chained":
      return "git runs the guard, as a step of the hook of pre-commit";
    case "other":
      return program === undefined
        ? "git runs another hook, without the guard"
        : `git runs the hook of ${program}, without the guard`;
    case "inert":
      return "git does not run this file: it is not executable";
    case "none":
      return "git finds no hook";
  }
}

/** The guard's files in a folder in which git does not look. */
function filesOf(folder: string, hook: HookName): string[] {
  const { state, path, idle } = standingOf(folder, hook);
  return state === "guard"
    ? [path, ...idle]
    : state === "chained"
    ? [`${path}.legacy`, ...idle]
    : [...idle];
}

const FILES: Readonly<
  Record<HookProgram, (hook: HookName) => readonly string[]>
> = {
  "husky": (hook) => [`.husky/${hook}`],
  "lefthook": () =>
    ["lefthook", ".lefthook", ".config/lefthook"].flatMap((name) =>
      ["yml", "yaml"].map((ending) => `${name}.${ending}`)
    ),
  "pre-commit": () => [".pre-commit-config.yaml"],
};

/** The file of another program's configuration that calls the guard. */
function callerOf(
  { hook, program, state }: HookStanding,
  top: string,
): string | undefined {
  if (program === undefined || state !== "other") return undefined;
  const call = hook === "pre-push"
    ? /mbus guard check --pre-push(?![\w-])/
    : /mbus guard check(?![\w-])(?! --pre-push)/;
  return FILES[program](hook).find((file) => {
    const text = textOf(`${top}/${file}`);
    const part = program === "lefthook" ? sectionOf(text, hook) : text;
    return call.test(part);
  });
}

/** Returns the part of a YAML file under a key of its first level. */
function sectionOf(text: string, key: string): string {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`${key}:`));
  if (start === -1) return "";
  const length = lines.slice(start + 1).findIndex((line) =>
    /^[^\s#]/.test(line)
  );
  return lines.slice(start, length === -1 ? undefined : start + 1 + length)
    .join("\n");
}

const TEXT_BYTES_MAX = 64 * 1024;

/** The text of a file that a repository brings; empty if it is not a small file. */
function textOf(path: string): string {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile && size <= TEXT_BYTES_MAX ? Deno.readTextFileSync(path) : "";
  } catch (error) {
    const { NotADirectory, NotFound } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return "";
    throw error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function printGuard(
  { hook, path, runs, message, remedy, idle }: GuardStanding,
) {
  printLine(visible(`${hook}: ${runs ? "on" : "off"}, ${message}: ${path}.`));
  for (const file of idle ?? []) {
    printLine(visible(`  The guard in ${file} does not run.`));
  }
  if (remedy !== undefined) printLine(visible(`  → ${remedy}`));
}
