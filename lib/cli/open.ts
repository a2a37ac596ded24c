/**
 * Opening the bus for a command: as the session that it acts for.
 *
 * Commands that only read register nobody. Those that write register the
 * session on its first use, with the process that lives as long as it does; a
 * session that is there is only given its sign of life.
 *
 * @module
 */

import { MessageBus } from "../bus.ts";
import { hostId } from "../host.ts";
import { openStore } from "../open_store.ts";
import { resolveOptions } from "../options.ts";
import { type Project, projectOf } from "../project.ts";
import type { SessionStart } from "../sessions.ts";
import { identityIn, startOf, warn } from "./acting.ts";
import type { GlobalValues } from "./arguments.ts";
import type { Identity } from "./identity.ts";

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
 * Opens the bus; registers nobody.
 *
 * @param vendor Who a session that begins is said to be.
 * @param sessionOf The session that the bus is opened as, if not the one that
 * the command acts for.
 */
export async function openBusFor(
  options: GlobalValues,
  vendor?: string,
  sessionOf: (identity: Identity, place: Project) => SessionStart = startOf,
): Promise<OpenedBus> {
  const place = projectOf(Deno.cwd());
  const resolved = resolveOptions({
    home: options.home,
    warn: (text: string): void => warn(text, options.json),
  });
  const store = await openStore(resolved);
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
  const opened = await openBusFor(options);
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

/** Whether a session's process is judged by another host than ours. */
export function isOfAnotherHost(identity: Identity): boolean {
  const host = identity.joined?.host;
  return host !== undefined && host !== hostId();
}
