/**
 * Channels: valid names, and the default TTL of their messages.
 *
 * Five channels are built in; every other valid name works too. A name survives
 * a shell, a URL and a table in a terminal: it has at most 128 letters, digits
 * and `. _ - / :`.
 *
 * @module
 */

import { InvalidInputError } from "./errors.ts";
import { hasInvisible } from "../text/harmless_text.ts";

/** TTL of messages on the built-in channels, in seconds. */
export const CHANNEL_TTL_SECONDS: Readonly<Record<string, number>> = Object
  .freeze({
    state: 60,
    file_conflict: 300,
    task_broadcast: 600,
    heartbeat: 30,
    chat: 86_400,
  });

/** TTL of messages on any other channel, in seconds. */
export const DEFAULT_TTL_SECONDS = 300;

/** TTL of direct messages on any channel: 7 days, in seconds. */
export const DIRECT_TTL_SECONDS: number = 7 * 24 * 60 * 60;

/** Channel whose messages every session of the project hears. */
export const CHAT_CHANNEL = "chat";

/** Channel of the bus's direct messages to a session about its own messages. */
export const NOTICE_CHANNEL = "notice";

/** Largest TTL of a message: 30 days, in seconds. */
export const TTL_SECONDS_MAX = 30 * 24 * 60 * 60;

const PLAIN_NAME = /^[\w.\-/:]{1,128}$/;

// Names that passed, because a process uses few channels many times.
const checked = new Set<string>();
const CHECKED_MAX = 1_000;

/**
 * Throws if `name` cannot name a channel.
 *
 * @throws {InvalidInputError} If it is empty, too long, or holds other
 * characters than visible letters, digits and `. _ - / :`.
 */
export function assertChannel(name: string): void {
  if (checked.has(name)) return;
  if (typeof name !== "string" || !isChannelName(name)) {
    throw new InvalidInputError(
      "channel",
      `Cannot use channel ${
        JSON.stringify(name)
      }: it is not valid. Use 1 to 128 letters, ` +
        `digits and . _ - / : without spaces, such as "state".`,
    );
  }
  if (checked.size < CHECKED_MAX) checked.add(name);
}

function isChannelName(name: string): boolean {
  // The plain pattern spares short commands the compiling of Unicode classes.
  return PLAIN_NAME.test(name) ||
    /^[\p{L}\p{N}._\-/:]{1,128}$/u.test(name) && !hasInvisible(name);
}

/**
 * Returns the TTL of a message in seconds: `ttlSeconds`, or by default that of
 * direct messages or of the channel.
 *
 * @throws {InvalidInputError} If it is not above 0 and at most
 * {@linkcode TTL_SECONDS_MAX}.
 */
export function ttlOf(
  channel: string,
  ttlSeconds?: number,
  { isDirect = false }: { readonly isDirect?: boolean } = {},
): number {
  if (ttlSeconds === undefined) {
    if (isDirect) return DIRECT_TTL_SECONDS;
    return Object.hasOwn(CHANNEL_TTL_SECONDS, channel)
      ? CHANNEL_TTL_SECONDS[channel]
      : DEFAULT_TTL_SECONDS;
  }
  if (
    typeof ttlSeconds !== "number" || !(ttlSeconds > 0) ||
    ttlSeconds > TTL_SECONDS_MAX
  ) {
    throw new InvalidInputError(
      "ttlSeconds",
      `Cannot publish on "${channel}": a TTL of ${ttlSeconds} s is not above 0 ` +
        `and at most ${TTL_SECONDS_MAX} s (30 days).`,
    );
  }
  return ttlSeconds;
}
