/**
 * Publishes one message as the session of a command, in as little time as possible.
 *
 * @module
 */

import { resolveOptions } from "../bus/options.ts";
import { Operations } from "../bus/operations.ts";
import { assertChannel, ttlOf } from "../model/channels.ts";
import { encodePayload, type Json } from "../model/json.ts";
import { storePlace } from "../store/place.ts";
import type { GlobalValues } from "./arguments.ts";
import { identityIn, placeOf, startOf, warn } from "./current_session.ts";
import { printJson, printLine, printToStderr } from "./output/output.ts";
import { visible } from "./output/visible_text.ts";

/** Message of a command. */
export interface Outgoing {
  /** Channel of the message. */
  readonly channel: string;
  /** Payload of the message. */
  readonly payload: Json;
  /** Session that gets it (default: all readers). */
  readonly to?: string;
  /** TTL, in milliseconds (default: the channel's). */
  readonly ttlMs?: number;
  /** Returns the line to print for a person. */
  line(id: string, toName: string | undefined): string;
}

/**
 * Publishes a message, and prints its id. Returns it with its sender.
 *
 * JSON: `{ id, channel, sender, project?, to?, toName?, notRunning? }`.
 */
export async function sendMessage(
  options: GlobalValues,
  { channel, payload, to: wanted, ttlMs, line }: Outgoing,
): Promise<{ readonly id: string; readonly sender: string }> {
  const resolved = resolveOptions({
    home: options.home,
    warn: (message: string): void => warn(message, options.json),
  });
  assertChannel(channel);
  const message = {
    channel,
    payloadText: encodePayload(channel, payload, resolved.payloadBytesMax),
    ttlSeconds: ttlOf(channel, ttlMs === undefined ? undefined : ttlMs / 1000, {
      isDirect: wanted !== undefined,
    }),
    to: wanted,
  };
  await using opened = await storePlace(resolved).openOneShot(resolved);
  const { store } = opened;
  const operations = new Operations(store, resolved, resolved.warn, true);
  const identity = await identityIn(operations, options.session);
  const place = placeOf(identity);
  const project = options["all-projects"] ? null : place.project;
  const { id, sender, to, toName, notRunning } = await operations.publishAs(
    identity.joined === undefined
      ? startOf(identity, place)
      : { joined: identity.joined.id },
    { ...message, project },
  );
  if (options.json) {
    printJson({
      id,
      channel,
      sender,
      ...(project !== null && { project }),
      ...(to !== undefined && { to, toName, notRunning }),
    });
  } else {
    printLine(line(id, toName));
    if (notRunning) printToStderr(`mbus: ${waitingNote(toName ?? to!)}`);
  }
  // The sender has its answer: the rest may take time.
  await operations.purgeIfDue();
  opened.detach();
  return { id, sender };
}

/** Returns the note about a message to a session that has ended. */
export function waitingNote(name: string): string {
  return `${visible(name)} has ended. The message waits until it resumes or ` +
    `another session takes its name.`;
}
