/**
 * Channels that a session follows: its hooks tell their messages to its model.
 *
 * Every session follows {@linkcode CHAT_CHANNEL} from its beginning. Other channels
 * are followed from the time of the request on. A note keeps the channels as long as
 * the session runs.
 *
 * @module
 */

import { CHAT_CHANNEL } from "../model/channels.ts";
import { InvalidInputError } from "../model/errors.ts";
import type { Session } from "../model/session.ts";
import { FOLLOWS_NOTE } from "./notes.ts";
import { noteKey, type Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { requireActive } from "./sessions.ts";

/** Largest number of channels that a session follows. */
export const FOLLOWED_MAX = 50;

/** Followed channels, each with the time from which on, as ISO 8601 in UTC. */
export type Follows = ReadonlyMap<string, string>;

/** Channels to add and to remove. */
export interface FollowChange {
  /** Channels to follow. */
  readonly add?: readonly string[];
  /** Channels to follow no longer. */
  readonly remove?: readonly string[];
}

/** Returns the channels of a session that has the text of the note, if any. */
export function followsIn(
  note: string | undefined,
  { registeredAt }: Pick<Session, "registeredAt">,
): Follows {
  // `null` of the chat means that the session has left it.
  const noted: Record<string, string | null> = note === undefined
    ? {}
    : JSON.parse(note);
  const all = { [CHAT_CHANNEL]: registeredAt, ...noted };
  return new Map(
    Object.entries(all).filter((entry): entry is [string, string] =>
      entry[1] !== null
    ),
  );
}

/**
 * Changes the channels that a session follows.
 *
 * @returns All of them.
 * @throws {InvalidInputError} If there are too many, or a channel needs no following.
 */
export function* changeFollows(
  records: Records,
  at: Moment,
  id: string,
  { add = [], remove = [] }: FollowChange,
): Plan<Follows> {
  const session = yield* requireActive(records, at, "follow channels", id);
  yield [{ kind: "note", session: id, key: FOLLOWS_NOTE }];
  const key = noteKey(id, FOLLOWS_NOTE);
  const before = records.notes.get(key)?.value;
  const follows = new Map(followsIn(before, session));
  const now = new Date(at.nowMs).toISOString();
  for (const channel of add) {
    if (channel === "file_conflict") {
      throw new InvalidInputError(
        "channel",
        `Cannot follow "${channel}": conflicts that concern a session are told ` +
          `anyway. Follow another channel.`,
      );
    }
    if (!follows.has(channel)) follows.set(channel, now);
  }
  for (const channel of remove) follows.delete(channel);
  if (follows.size > FOLLOWED_MAX) {
    throw new InvalidInputError(
      "channel",
      `Cannot follow ${follows.size} channels: the limit is ${FOLLOWED_MAX}. ` +
        `Unfollow some first.`,
    );
  }
  const noted = {
    ...(!follows.has(CHAT_CHANNEL) && { [CHAT_CHANNEL]: null }),
    ...Object.fromEntries(follows),
  };
  const value = JSON.stringify(noted);
  if (value !== before) {
    records.notes.set(key, {
      session: id,
      key: FOLLOWS_NOTE,
      value,
      changedAtMs: at.nowMs,
    });
  }
  return follows;
}

/** Returns the channels that a session follows; none if it is not on the bus. */
export function* followsOf(records: Records, id: string): Plan<Follows> {
  yield [
    { kind: "session", id },
    { kind: "note", session: id, key: FOLLOWS_NOTE },
  ];
  const session = records.sessions.get(id);
  return session === undefined
    ? new Map()
    : followsIn(records.notes.get(noteKey(id, FOLLOWS_NOTE))?.value, session);
}
