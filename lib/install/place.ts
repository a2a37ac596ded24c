/**
 * The folders of an installation: the home folder, the current project, and the
 * bus folder.
 *
 * @module
 */

import type { ConfigPlace, ConfigScope } from "./agents/config.ts";
import { InvalidInputError } from "../model/errors.ts";
import { sqliteHome } from "../store/url.ts";
import { projectOf } from "../path/project.ts";
import { readSmallFile } from "../path/small_file.ts";
import { locateBus } from "../sqlite/location.ts";

/** The options that concern scopes. */
export interface ScopeOptions {
  readonly user: boolean;
  readonly project: boolean;
}

/** Returns the given scopes; without any, those of `otherwise`. */
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
 * Returns the place of this process.
 *
 * @throws {InvalidInputError} If `HOME` is not set.
 */
export function placeOfProcess(): ConfigPlace {
  const home = Deno.env.get("HOME") || Deno.env.get("USERPROFILE");
  if (!home) {
    throw new InvalidInputError(
      "home",
      "Cannot find the agents' configuration: HOME is not set. Set it to your " +
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
    // Missing or not permitted: then reading the file reports it.
    return false;
  }
}

/** Reads an unset variable from `.env` files, as Qwen Code does. */
function saidInHome(home: string, name: string): string | undefined {
  for (const file of [`${home}/.qwen/.env`, `${home}/.env`]) {
    let text: string | undefined;
    try {
      text = readSmallFile(file);
    } catch {
      // Qwen Code skips a file that it cannot read.
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

/** Returns the bus folder, links followed; undefined if the bus has none. */
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
    // The folder does not exist yet.
    return folder;
  }
}
