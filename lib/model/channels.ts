/**
 * Channels: what they may be called and how long their messages live.
 *
 * Four are built in, with the lifetimes that their use asks for; every other
 * name works too. A name is one word that survives a shell, a URL and a table
 * in a terminal: letters, digits and `. _ - / :`, at most 128 of them.
 *
 * @module
 */

import { InvalidInputError } from "./errors.ts";
import { hasInvisible } from "../text/harmless_text.ts";

/** The lifetime of the built-in channels' messages, in seconds. */
export const CHANNEL_TTL_SECONDS: Readonly<Record<string, number>> = Object
  .freeze({
    state: 60,
    file_conflict: 300,
    task_broadcast: 600,
    heartbeat: 30,
  });

/** The lifetime of a message on any other channel, in seconds. */
export const DEFAULT_TTL_SECONDS = 300;

/** The longest lifetime of a message: 30 days, in seconds. */
export const TTL_SECONDS_MAX = 30 * 24 * 60 * 60;

const PLAIN_NAME = /^[\w.\-/:]{1,128}$/;

// A name is checked once: a process speaks on few channels, many times.
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
      }: a name is 1 to 128 letters, ` +
        `digits and . _ - / : without spaces; try "state" or "build.results".`,
    );
  }
  if (checked.size < CHECKED_MAX) checked.add(name);
}

function isChannelName(name: string): boolean {
  // Reading Unicode classes takes a tenth of a millisecond and compiling them a
  // third: short commands save both.
  return PLAIN_NAME.test(name) ||
    /^[\p{L}\p{N}._\-/:]{1,128}$/u.test(name) && !hasInvisible(name);
}

/**
 * The lifetime of a message in seconds: `ttlSeconds` if given, else the
 * channel's default.
 *
 * @throws {InvalidInputError} If it is not above 0 and at most
 * {@linkcode TTL_SECONDS_MAX}.
 */
export function ttlOf(channel: string, ttlSeconds?: number): number {
  if (ttlSeconds === undefined) {
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
