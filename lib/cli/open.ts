/**
 * Opens the bus as the session that a command acts for.
 *
 * A command that reads registers no session. A command that writes registers the
 * session on its first use, with the process that lives as long as the session
 * does, and renews the heartbeat of a registered session.
 *
 * @module
 */

import { MessageBus } from "../bus/bus.ts";
import { MessageBusError } from "../model/errors.ts";
import { hostId } from "../process/host.ts";
import { openOperations } from "../store/open.ts";
import { resolveOptions } from "../bus/options.ts";
import { type Project, projectOf } from "../path/project.ts";
import type { SessionStart } from "../model/session.ts";
import { identityIn, startOf, warn } from "./current_session.ts";
import type { GlobalValues } from "./arguments.ts";
import type { Identity } from "./identity.ts";
import { RefusalError } from "./refusal.ts";

/** A bus that is open for one command. */
export interface OpenedBus extends AsyncDisposable {
  /** The bus. */
  readonly bus: MessageBus;
  /** Session that the command acts for. */
  readonly identity: Identity;
  /** Project of the working folder, also with `--all-projects`. */
  readonly place: Project;
}

/**
 * Opens the bus for a command that reads, and registers no session.
 *
 * @throws {UnknownSessionError} If `--session` names a session that was never
 * registered, which has nothing to read.
 */
export async function openBusFor(options: GlobalValues): Promise<OpenedBus> {
  return await openBusToBegin(options, undefined, startOf, true);
}

/**
 * Opens the bus for a command that may register a session later.
 *
 * @param vendor Vendor of a new session (default: detected).
 * @param sessionOf Session that the bus is opened as (default: the one that the
 * command acts for).
 * @param isKnown Whether `--session` must name a session that was registered; then
 * also by a unique beginning of its name.
 */
export async function openBusToBegin(
  options: GlobalValues,
  vendor?: string,
  sessionOf: (identity: Identity, place: Project) => SessionStart = startOf,
  isKnown = false,
): Promise<OpenedBus> {
  const place = projectOf(Deno.cwd());
  const resolved = resolveOptions({
    home: options.home,
    warn: (text: string): void => warn(text, options.json),
  });
  const store = await openOperations(resolved);
  try {
    const { session } = options;
    const given = isKnown && session !== undefined
      ? (await store.resolveSession(
        `read as "${session}"`,
        session,
        options["all-projects"] ? null : place.project,
      )).id
      : session;
    const identity = await identityIn(store, given, vendor);
    const start = sessionOf(identity, place);
    const joined = identity.joined?.id === start.id;
    const bus = new MessageBus(store, start, resolved, joined);
    return {
      bus,
      identity,
      place,
      [Symbol.asyncDispose]: async () => {
        try {
          await bus.close();
        } catch (error) {
          // The exit code tells the command's own result.
          if (!(error instanceof MessageBusError)) throw error;
          resolved.warn(error.message);
        }
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Opens the bus for a command that writes, and renews the heartbeat. */
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
 * Opens the bus for a command whose locks or claims outlive it.
 *
 * @throws {RefusalError} If the session would end with the command, or if several
 * sessions match.
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
  const { id, process, shortLived, others = [] } = identity;
  if (others.length > 0) {
    throw new RefusalError(
      `Cannot hold a lock or a task: this process has several sessions ` +
        `(${[id, ...others].join(", ")}). Name yours with --session.`,
    );
  }
  const remedy = "Name a session with --session, or run the work in mbus " +
    "with-lock.";
  if (shortLived === "command") {
    throw new RefusalError(
      `Cannot hold a lock or a task: this session ends with process ` +
        `${process?.pid}, the shell of this command. ${remedy}`,
    );
  }
  if (shortLived !== "script") return;
  warn(
    `Locks and tasks of this session end with process ${process?.pid}, which ` +
      `runs this command. ${remedy}`,
    json,
  );
}

/** Returns whether only another host can check a session's process. */
export function isOfAnotherHost(identity: Identity): boolean {
  const host = identity.joined?.host;
  return host !== undefined && host !== hostId();
}
