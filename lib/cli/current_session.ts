/**
 * The session that a command acts for: one on the bus, or a new one.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import { type Project, projectOf } from "../path/project.ts";
import { UnknownSessionError } from "../model/errors.ts";
import { nameOf, type SessionStart } from "../model/session.ts";
import { identify, type Identity, onlyName } from "./identity.ts";
import { printToStderr } from "./output/output.ts";
import { namesFor, processContext } from "./process_context.ts";
import { visible, visibleJson } from "./output/visible_text.ts";
import { delegators } from "../bus/delegation.ts";

/**
 * Returns the session that a command acts for, found on the bus or new.
 *
 * @param given Value of `--session`: the id of a session, or the name of a living
 * one of the project.
 */
export async function identityIn(
  store: Pick<Operations, "sessions" | "incarnations" | "resolveSession">,
  given: string | undefined,
  vendor?: string,
): Promise<Identity> {
  const option = given && await idNamed(store, given);
  const id = onlyName(namesFor(option));
  const all = id === undefined
    ? await store.sessions({ project: null, ended: false })
    : await store.incarnations(id);
  // A command inside with-lock acts for the session that called it.
  const within = delegators();
  const sessions = all.filter(({ id }) => !within.includes(id));
  return identify(processContext(option, sessions, vendor));
}

/** Returns the id of the living session that a text names exactly, else the text. */
async function idNamed(
  store: Pick<Operations, "incarnations" | "resolveSession">,
  given: string,
): Promise<string> {
  if ((await store.incarnations(given)).length > 0) return given;
  const { project } = projectOf(Deno.cwd());
  try {
    const session = await store.resolveSession("act", given, project);
    const isNamed = nameOf(session) === given &&
      session.status !== "terminated";
    return isNamed ? session.id : given;
  } catch (error) {
    // A new session has the text as its id.
    if (error instanceof UnknownSessionError) return given;
    throw error;
  }
}

/**
 * Returns the project of the working folder.
 *
 * Takes the session's own if the folder lies in its worktree, because the lookup
 * costs milliseconds.
 */
export function placeOf(identity: Identity): Project {
  const folder = Deno.cwd();
  const { project, worktree, branch } = identity.joined ?? {};
  const within = worktree !== undefined &&
    (folder === worktree || folder.startsWith(`${worktree}/`));
  return project !== undefined && within
    ? { project, worktree, branch }
    : projectOf(folder);
}

/** Returns the data by which a new session is registered. */
export function startOf(identity: Identity, place: Project): SessionStart {
  const { id, vendor, process, keeper, tty } = identity;
  return {
    id,
    wishedName: Deno.env.get("MBUS_NAME") || undefined,
    vendor,
    tty,
    pid: process?.pid,
    processStart: process?.startTime,
    keeper,
    project: place.project,
    worktree: place.worktree,
    branch: place.branch,
  };
}

/** Prints a warning on standard error. */
export function warn(text: string, json: boolean): void {
  const warning = text.replace(/^mbus: /, "");
  printToStderr(
    json ? visibleJson({ warning }) : `mbus: ${visible(warning)}`,
  );
}
