/**
 * `mbus guard status`: shows for each hook whether git runs the guard.
 *
 * JSON, one line per hook: `{ hook, path, runs, message, remedy?, program?,
 * idle? }`. `idle` lists files of the guard that git does not run.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import {
  type HookName,
  type HookProgram,
  HOOKS,
  type HookState,
  hookStateOf,
} from "../guard/hook.ts";
import { type HookPlace, hookPlace } from "../guard/place.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const status: Command = defineCommand({
  name: "guard status",
  details: [
    "Exit code 1 means that git runs at least one hook without the guard.",
  ],
  exitCodes: { 1: "git runs a hook without the guard" },
  json: [{
    fields: ["hook", "path", "runs", "message", "remedy?", "program?", "idle?"],
  }],
  positionals: [],
  options: {},
  async run({ options }) {
    const place = await hookPlace("check the guard");
    const all = guardStatesOf(place);
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

/** Message about hooks without `mbus` on their PATH. */
export const NO_PROGRAM = "mbus is not on the PATH, so the hooks check no file";

/** Remedy of {@linkcode NO_PROGRAM}. */
export const PUT_ON_PATH = "add mbus to the PATH of git";

/** State of the guard at one hook. */
export interface GuardState {
  /** Name of the hook. */
  readonly hook: HookName;
  /** File that git runs. */
  readonly path: string;
  /** Whether git runs the guard. */
  readonly runs: boolean;
  /** Reason, for people. */
  readonly message: string;
  /** Remedy, if the guard does not run or is outdated. */
  readonly remedy?: string;
  /** Program that wrote the hook, if known. */
  readonly program?: HookProgram;
  /** Files of the guard that git does not run. */
  readonly idle?: readonly string[];
}

/** Returns the state of the guard at each hook. */
export function guardStatesOf(place: HookPlace): GuardState[] {
  return HOOKS.map((hook) => {
    const hookState = hookStateOf(place.folder, hook);
    const idle = [
      ...hookState.idle,
      ...place.others.flatMap((folder) => filesOf(folder, hook)),
    ];
    const { path, program, outdated } = hookState;
    const caller = callerOf(hookState, place.top);
    const runs = hookState.state === "guard" || hookState.state === "chained" ||
      caller !== undefined;
    const where = place.setting === undefined ? "" : ` (${place.setting})`;
    return {
      hook,
      path,
      runs,
      message: messageOf(hookState, caller) + (runs ? "" : where),
      ...(runs && outdated && {
        remedy: 'run "mbus guard install": the hook is of another version',
      }),
      ...(!runs && { remedy: 'run "mbus guard install"' }),
      ...(program !== undefined && { program }),
      ...(idle.length > 0 && { idle }),
    };
  });
}

/** Returns whether `mbus` is on the PATH, as the hooks need it. */
export function hasProgram(): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) =>
    isFile(`${folder}/mbus`)
  );
}

function messageOf(
  { state, program }: HookState,
  caller: string | undefined,
): string {
  if (caller !== undefined) return `git runs the guard through ${caller}`;
  switch (state) {
    case "guard":
      return "git runs the guard";
    case "chained":
      return "git runs the guard as a step of pre-commit's hook";
    case "other":
      return program === undefined
        ? "git runs another hook, without the guard"
        : `git runs ${program}'s hook, without the guard`;
    case "inert":
      return "git does not run this file: it is not executable";
    case "none":
      return "git finds no hook";
  }
}

/** Returns the guard's files in a folder that git does not use. */
function filesOf(folder: string, hook: HookName): string[] {
  const { state, path, idle } = hookStateOf(folder, hook);
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

/** Returns the file of another program's configuration that calls the guard. */
function callerOf(
  { hook, program, state }: HookState,
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

/** Returns the part of a YAML file under a top-level key. */
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

/** Returns the text of a file in the repository; empty unless it is a small file. */
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
  { hook, path, runs, message, remedy, idle }: GuardState,
) {
  printLine(visible(`${hook}: ${runs ? "on" : "off"}, ${message}: ${path}.`));
  for (const file of idle ?? []) {
    printLine(visible(`  The guard in ${file} does not run.`));
  }
  if (remedy !== undefined) printLine(visible(`  → ${remedy}`));
}
