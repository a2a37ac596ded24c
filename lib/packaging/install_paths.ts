/**
 * Files of `deno task install`: their paths, and their removal.
 *
 * A launcher is ours if it has our mark. The folder of bundles is ours by its name.
 *
 * @module
 */

import { HOOK_FRAGMENT } from "../install/agents/config.ts";
import { InvalidInputError } from "../model/errors.ts";
import config from "../../deno.json" with { type: "json" };
import { RefusalError } from "../cli/refusal.ts";

/** Line that marks a launcher as ours. */
export const MARK =
  "# Runs mbus, made by deno task install of @coditect/message-bus.";

/** Paths of an installation. */
export interface InstallPaths {
  /** Folder on the PATH. */
  readonly bin: string;
  /** File of the launcher. */
  readonly launcher: string;
  /** Folder of all versions. */
  readonly data: string;
  /** Folder of this version's bundle. */
  readonly bundle: string;
  /** Shell script that the commands in agents' configuration source. */
  readonly fragment: string;
}

/**
 * Returns the paths of an installation.
 *
 * @param bin Folder on the PATH (default: `~/.local/bin`).
 * @throws {InvalidInputError} If HOME is not set.
 */
export function installPaths(bin?: string): InstallPaths {
  const home = Deno.env.get("HOME");
  if (!home) {
    throw new InvalidInputError(
      "home",
      "Cannot install mbus: HOME is not set. Set it to your home folder.",
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

/** Returns the owner of the file at the launcher's path. */
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
    // A folder, a broken link or an unreadable file.
    return "foreign";
  }
}

/**
 * Throws if another program's file is at the launcher's path.
 *
 * @throws {RefusalError} If the file is not ours.
 */
export function assertNotForeign(launcher: string): void {
  if (launcherOwner(launcher) !== "foreign") return;
  throw new RefusalError(
    `Cannot install mbus: ${launcher} is another program's. Move it away, or choose ` +
      `another folder with "deno task install --bin DIR".`,
  );
}

/** Removes the launcher and all bundles; returns the removed paths. */
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
