/**
 * Where installing looks: the home folder, the project of this folder, and
 * the bus folder.
 *
 * @module
 */

import type { ConfigPlace, ConfigScope } from "./agents/config.ts";
import { InvalidInputError } from "../model/errors.ts";
import { sqliteHome } from "../store/url.ts";
import { projectOf } from "../path/project.ts";
import { readSmallFile } from "../path/small_file.ts";
import { locateBus } from "../sqlite/location.ts";

/** What the options say about scopes. */
export interface ScopeOptions {
  readonly user: boolean;
  readonly project: boolean;
}

/** The scopes that are meant; where none is said, those of `otherwise`. */
export function scopesOf(
  { user, project }: ScopeOptions,
  otherwise: readonly ConfigScope[],
): readonly ConfigScope[] {
  const said: ConfigScope[] = [];
  if (user) said.push("user");
  if (project) said.push("project");
  return said.length === 0 ? otherwise : said;
}

/**
 * The place of this process.
 *
 * @throws {InvalidInputError} If there is no home folder.
 */
export function placeOfProcess(): ConfigPlace {
  const home = Deno.env.get("HOME") || Deno.env.get("USERPROFILE");
  if (!home) {
    throw new InvalidInputError(
      "home",
      "Cannot find the agents' configuration: HOME is not set; set it to your " +
        "home folder.",
    );
  }
  const folder = home.replace(/(?<=.)\/+$/, "");
  return {
    home: folder,
    project: projectOf(Deno.cwd()).worktree,
    folder: Deno.cwd(),
    env: (name: string): string | undefined =>
      (Deno.env.get(name) ??
        (name === "QWEN_HOME" ? saidInHome(folder, name) : undefined)) ||
      undefined,
    exists: (path: string): boolean => isThere(path),
  };
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    // It is not there, or not for us to look at: then reading it says so.
    return false;
  }
}

/** What Qwen Code takes a variable for that is not set: it reads `.env` first. */
function saidInHome(home: string, name: string): string | undefined {
  for (const file of [`${home}/.qwen/.env`, `${home}/.env`]) {
    let text: string | undefined;
    try {
      text = readSmallFile(file);
    } catch {
      // Qwen Code passes by what it cannot read.
    }
    const said = text?.matchAll(
      /^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*[=:][ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^\n#]*))/gm,
    );
    for (const [, key, ...values] of said ?? []) {
      const value = values.find((each) => each !== undefined)?.trim();
      if (key === name && value) return value;
    }
  }
}

/** The bus folder, links followed; undefined if the bus is in none. */
export function busFolder(home: string | undefined): string | undefined {
  let folder: string;
  try {
    folder = locateBus(sqliteHome({ home })).home;
  } catch (error) {
    if (error instanceof InvalidInputError) return undefined;
    throw error;
  }
  try {
    return Deno.realPathSync(folder);
  } catch {
    // It is not made yet.
    return folder;
  }
}
