/**
 * Opening the bus for a command: as the session that it acts for.
 *
 * Commands that only read register nobody. Those that write register the
 * session on its first use, with the process that lives as long as it does; a
 * session that is there is only given its sign of life.
 *
 * @module
 */

import { MessageBus } from "../bus/bus.ts";
import { UnknownSessionError } from "../model/errors.ts";
import { hostId } from "../process/host.ts";
import { openOperations } from "../store/open.ts";
import { resolveOptions } from "../bus/options.ts";
import { type Project, projectOf } from "../path/project.ts";
import type { SessionStart } from "../model/session.ts";
import { identityIn, startOf, warn } from "./current_session.ts";
import type { GlobalValues } from "./arguments.ts";
import type { Identity } from "./identity.ts";
import { RefusalError } from "./refusal.ts";

/** A bus, open for one command. */
export interface OpenedBus extends AsyncDisposable {
  /** The bus. */
  readonly bus: MessageBus;
  /** Which session the command acts for. */
  readonly identity: Identity;
  /** The folder's project, whatever the options widen the view to. */
  readonly place: Project;
}

/**
 * Opens the bus for a command that reads. It registers no session.
 *
 * @throws {UnknownSessionError} If the session that `--session` names was never
 * on the bus: it is mistyped, and has nothing to read.
 */
export async function openBusFor(options: GlobalValues): Promise<OpenedBus> {
  const opened = await openBusToBegin(options);
  const { session } = options;
  try {
    if (session !== undefined && opened.identity.joined === undefined) {
      const all = await opened.bus.sessions.list({
        allProjects: true,
        ended: true,
      });
      if (!all.some(({ id }) => id === session)) {
        throw new UnknownSessionError(`read as "${session}"`, session);
      }
    }
    return opened;
  } catch (error) {
    await opened.bus.close();
    throw error;
  }
}

/**
 * Opens the bus for a command that may begin a session. It registers none yet.
 *
 * @param vendor Who a session that begins is said to be.
 * @param sessionOf The session that the bus is opened as, if not the one that
 * the command acts for.
 */
export async function openBusToBegin(
  options: GlobalValues,
  vendor?: string,
  sessionOf: (identity: Identity, place: Project) => SessionStart = startOf,
): Promise<OpenedBus> {
  const place = projectOf(Deno.cwd());
  const resolved = resolveOptions({
    home: options.home,
    warn: (text: string): void => warn(text, options.json),
  });
  const store = await openOperations(resolved);
  try {
    const identity = await identityIn(store, options.session, vendor);
    const start = sessionOf(identity, place);
    const joined = identity.joined?.id === start.id;
    const bus = new MessageBus(store, start, resolved, joined);
    return {
      bus,
      identity,
      place,
      [Symbol.asyncDispose]: () => bus.close(),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Opens the bus for a command that writes: its session gives a sign of life. */
export async function openBusToWrite(
  options: GlobalValues,
): Promise<OpenedBus> {
  const opened = await openBusToBegin(options);
  try {
    if (opened.identity.joined !== undefined) {
      await opened.bus.sessions.heartbeat();
    }
    return opened;
  } catch (error) {
    await opened.bus.close();
    throw error;
  }
}

/**
 * Opens the bus for a command that holds something after it has ended.
 *
 * @throws {RefusalError} If the session would end with the command, or it cannot
 * be told which session it is.
 */
export async function openBusToHold(options: GlobalValues): Promise<OpenedBus> {
  const opened = await openBusToWrite(options);
  try {
    assertOutlivesCommand(opened.identity, options.json);
    return opened;
  } catch (error) {
    await opened.bus.close();
    throw error;
  }
}

function assertOutlivesCommand(identity: Identity, json: boolean): void {
  const { id, process, passes, others = [] } = identity;
  if (others.length > 0) {
    throw new RefusalError(
      `Cannot hold anything: sessions ${
        [id, ...others].join(", ")
      } are of one ` +
        `process, so this may be any of them. Name yours with --session.`,
    );
  }
  const ends = `it would end with process ${process?.pid}`;
  if (passes === "command") {
    throw new RefusalError(
      `Cannot hold anything for this command: ${ends}, the shell that runs it. ` +
        `Name a session with --session, or run the work in mbus with-lock.`,
    );
  }
  if (passes !== "script") return;
  warn(
    `What is held ends with process ${process?.pid}, which runs this command. ` +
      `Name a session with --session, or run the work in mbus with-lock.`,
    json,
  );
}

/** Whether a session's process is judged by another host than ours. */
export function isOfAnotherHost(identity: Identity): boolean {
  const host = identity.joined?.host;
  return host !== undefined && host !== hostId();
}
