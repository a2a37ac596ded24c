/**
 * The workload of a delivery: what sessions say to each other.
 *
 * Each talker publishes at its own unsteady pace. Said to all, it is on mixed
 * channels and every other session gets it: the hardest case. Said to one, it
 * is on a channel that only its reader wants.
 *
 * @module
 */

import type { Recipient } from "./contestant.ts";
import { pause, sharedNowMs } from "./clock.ts";

/** What is said where, in turns. */
export const CHANNELS = [
  "state",
  "file_conflict",
  "task_broadcast",
  "build.results",
] as const;

/** Who gets a message. */
export type Audience = "all" | "one";

/** The channel that only one session wants. */
export function channelTo(session: number): string {
  return `session.${session}`;
}

/** What is published. */
export interface Said {
  readonly session: number;
  readonly number: number;
  readonly status: string;
  readonly files: readonly string[];
}

/** Something to say. */
export function saying(session: number, number: number): Said {
  return {
    session,
    number,
    status: "working",
    files: ["src/server/routes.ts", "src/server/session.ts"],
  };
}

/** A time of talking. */
export interface Talk {
  /** Who gets each message. */
  readonly audience: Audience;
  /** How many of the sessions talk: the first ones. */
  readonly talkers: number;
  /** Messages that each talker publishes in a second, on average. */
  readonly messagesPerSecond: number;
  /** How long it publishes unmeasured, and then measured, in ms. */
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /**
   * Messages a second of each talker while it is unmeasured: more, where else it would
   * not have spoken by then.
   * @default {messagesPerSecond}
   */
  readonly warmUpMessagesPerSecond?: number;
  /** How long what was said may take to come, in ms; it may all be there sooner. */
  readonly settleMs: number;
}

/** When a message was published, in ms. */
export interface Times {
  /** Publishing began. */
  readonly start: number;
  /** It was stored; NaN where that cannot be told. */
  readonly commit: number;
  /** Its publisher was told so. */
  readonly end: number;
}

/** What one session tells after a time of talking. */
export interface SessionAccount {
  /** Each measured message of its own: number, and when, in ms. */
  readonly said: readonly (readonly [number, Times])[];
  /** Each message of others: session, number, when in hand, in ms. */
  readonly heard: readonly (readonly [number, number, number])[];
  /** Where a wake-up tells nothing of what it is for: when each came, in ms. */
  readonly wokenAt: readonly number[];
}

/** Publishes for a time; returns when each message was published. */
export async function talkFor(
  talk: Talk,
  session: number,
  sessions: number,
  firstNumber: number,
  say: (channel: string, said: Said, to: Recipient) => Promise<number | void>,
): Promise<SessionAccount["said"]> {
  const account: [number, Times][] = [];
  const beganAt = sharedNowMs();
  const measuredAt = beganAt + talk.warmUpMs;
  const endAt = measuredAt + talk.measuredMs;
  const {
    messagesPerSecond,
    warmUpMessagesPerSecond = messagesPerSecond,
  } = talk;
  let isWarm = warmUpMessagesPerSecond === messagesPerSecond;
  for (let number = firstNumber; session < talk.talkers; number++) {
    const perSecond = isWarm ? messagesPerSecond : warmUpMessagesPerSecond;
    // No common beat: sessions of the real world are not in step.
    const pauseMs = 1_000 / perSecond * (0.5 + Math.random());
    // Who would speak next when the time is over need not be waited for.
    if (sharedNowMs() + pauseMs >= endAt) break;
    await pause(pauseMs);
    if (!isWarm && sharedNowMs() >= measuredAt) {
      isWarm = true;
      // Into the slower beat each comes at another moment of it.
      await pause(1_000 / messagesPerSecond * Math.random());
    }
    const to = talk.audience === "all" ? "all" : otherThan(session, sessions);
    const channel = to === "all"
      ? CHANNELS[number % CHANNELS.length]
      : channelTo(to);
    const start = sharedNowMs();
    if (start >= endAt) break;
    const commit = await say(channel, saying(session, number), to);
    const end = sharedNowMs();
    if (start >= measuredAt) {
      account.push([number, { start, commit: commit ?? NaN, end }]);
    }
  }
  await pause(Math.max(0, endAt - sharedNowMs()));
  return account;
}

function otherThan(session: number, sessions: number): number {
  const step = 1 + Math.floor(Math.random() * (sessions - 1));
  return (session + step) % sessions;
}
