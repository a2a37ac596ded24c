/**
 * The session that a command acts for: found among those on the bus, or one
 * that begins here.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import { type Project, projectOf } from "../path/project.ts";
import type { SessionStart } from "../model/session.ts";
import { identify, type Identity, onlyName } from "./identity.ts";
import { printToStderr } from "./output/output.ts";
import { namesFor, processContext } from "./process_context.ts";
import { visible, visibleJson } from "./output/visible_text.ts";
import { delegators } from "../bus/delegation.ts";

/** Which session a command acts for, among those on the bus. */
export async function identityIn(
  store: Pick<Operations, "sessions" | "incarnations">,
  option: string | undefined,
  vendor?: string,
): Promise<Identity> {
  const id = onlyName(namesFor(option));
  const all = id === undefined
    ? await store.sessions({ project: null, ended: false })
    : await store.incarnations(id);
  // What runs in a with-lock acts for whoever called that.
  const within = delegators();
  const sessions = all.filter(({ id }) => !within.includes(id));
  return identify(processContext(option, sessions, vendor));
}

/**
 * What is worked on in the working folder: what the session works on, if the
 * folder lies in its working copy, as looking that up costs milliseconds.
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

/** What is known of that session, if it begins here. */
export function startOf(identity: Identity, place: Project): SessionStart {
  const { id, vendor, process, keeper, tty } = identity;
  return {
    id,
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

/** Says what does not stop a command. */
export function warn(text: string, json: boolean): void {
  const told = text.replace(/^mbus: /, "");
  printToStderr(
    json ? visibleJson({ warning: told }) : `mbus: ${visible(told)}`,
  );
}
