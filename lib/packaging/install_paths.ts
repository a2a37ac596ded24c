/**
 * What `deno task install` has put on a machine: known, and taken away again.
 *
 * A launcher is ours if it says so; the folder of bundles is ours by its name.
 *
 * @module
 */

import { HOOK_FRAGMENT } from "../install/agents/config.ts";
import { InvalidInputError } from "../model/errors.ts";
import config from "../../deno.json" with { type: "json" };
import { RefusalError } from "../cli/refusal.ts";

/** The line by which a launcher is known as ours. */
export const MARK =
  "# Runs mbus, made by deno task install of @coditect/message-bus.";

/** Where everything is put. */
export interface InstallPaths {
  /** The folder on the PATH. */
  readonly bin: string;
  /** The launcher. */
  readonly launcher: string;
  /** The folder of all versions. */
  readonly data: string;
  /** The bundle. */
  readonly bundle: string;
  /** What the commands in agents' configurations read. */
  readonly fragment: string;
}

/**
 * Where everything is put.
 *
 * @param bin The folder on the PATH, if not `~/.local/bin`.
 * @throws {InvalidInputError} If there is no home folder.
 */
export function installPaths(bin?: string): InstallPaths {
  const home = Deno.env.get("HOME");
  if (!home) {
    throw new InvalidInputError(
      "home",
      "Cannot install: HOME is not set; set it to your home folder.",
    );
  }
  const folder = absolute(bin ?? `${home}/.local/bin`);
  const data = absolute(
    Deno.env.get("XDG_DATA_HOME") || `${home}/.local/share`,
  ) + "/message-bus";
  return {
    bin: folder,
    launcher: `${folder}/mbus`,
    data,
    bundle: `${data}/${config.version}`,
    fragment: `${data}/${HOOK_FRAGMENT}`,
  };
}

function absolute(path: string): string {
  const full = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return full.replace(/(?<=.)\/+$/, "");
}

/** What is in a launcher's place. */
export function launcherOwner(path: string): "ours" | "foreign" | "none" {
  try {
    Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "none";
    throw error;
  }
  try {
    return Deno.readTextFileSync(path).includes(MARK) ? "ours" : "foreign";
  } catch {
    // A folder, a broken link, a file that may not be read.
    return "foreign";
  }
}

/**
 * Refuses where somebody else's `mbus` is.
 *
 * @throws {RefusalError} If there is one.
 */
export function assertNotForeign(launcher: string): void {
  if (launcherOwner(launcher) !== "foreign") return;
  throw new RefusalError(
    `Cannot install: ${launcher} is another program's; move it away, or choose ` +
      `another folder with "deno task install --bin DIR".`,
  );
}

/** Removes the launcher and all bundles; returns what was there. */
export function removeInstalled({ launcher, data }: InstallPaths): string[] {
  return [launcher, data].filter((path) => {
    try {
      Deno.removeSync(path, { recursive: path === data });
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}
