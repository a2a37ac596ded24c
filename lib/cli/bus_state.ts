/**
 * Two lines on the state of the bus, for `mbus` without a command.
 *
 * It makes no bus, and registers no session. An unusable bus is reported on
 * standard error, because the caller still prints the overview.
 *
 * @module
 */

import { resolveOptions } from "../bus/options.ts";
import { lockTarget } from "../path/lock_target.ts";
import { openOperations } from "../store/open.ts";
import { storePlace } from "../store/place.ts";
import type { GlobalValues } from "./arguments.ts";
import { identityIn, placeOf, warn } from "./current_session.ts";
import { reportFailure } from "./failure.ts";
import { printLine } from "./output/output.ts";
import { visible } from "./output/visible_text.ts";
import { wrapped } from "./overview.ts";

/** Prints the state of an existing bus, and an empty line. */
export async function printState(options: GlobalValues): Promise<void> {
  try {
    const lines = await stateLines(options);
    lines.flatMap(wrapped).forEach(printLine);
    if (lines.length > 0) printLine("");
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error;
    reportFailure(error, false);
  }
}

async function stateLines(options: GlobalValues): Promise<string[]> {
  if (await storePlace({ home: options.home }).isNew()) return [];
  const resolved = resolveOptions({
    home: options.home,
    warn: (text: string): void => warn(text, false),
  });
  const operations = await openOperations(resolved);
  try {
    const identity = await identityIn(operations, options.session);
    const place = placeOf(identity);
    const project = options["all-projects"] ? null : place.project;
    const sessions = await operations.sessions({ project, ended: false });
    const waiters = await operations.lockWaiters(
      lockTarget(place.project, Deno.cwd(), { pattern: "literal" }),
    );
    const waiting = new Set(waiters.map(({ session }) => session)).size;
    const mail = identity.joined === undefined
      ? 0
      : await operations.untoldCount(identity.id);
    const name = place.project.slice(place.project.lastIndexOf("/") + 1);
    const scope = project === null ? "all projects" : `project ${name}`;
    return [
      visible(`You are ${identity.id} in ${scope}.`),
      `${counted(sessions.length, "session")}, ` +
      `${waiting} ${waiting === 1 ? "waits" : "wait"} for a lock, ` +
      `${counted(mail, "message")} for you`,
    ];
  } finally {
    await operations.close();
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
