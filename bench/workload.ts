/**
 * The workload of a delivery bench.
 *
 * Each publisher pauses for random times. A message to all is on one of several
 * channels, and every other session reads it, which is the hardest case. A
 * message to one is on a channel that only its reader subscribes to.
 *
 * @module
 */

import type { Recipient } from "./contestant.ts";
import { pause, sharedNowMs } from "./clock.ts";

/** The channels of messages to all, used in turns. */
export const CHANNELS = [
  "state",
  "file_conflict",
  "task_broadcast",
  "build.results",
] as const;

/** The readers of a message: all other sessions, or one. */
export type Audience = "all" | "one";

/** Returns the channel of messages to one session. */
export function channelTo(session: number): string {
  return `session.${session}`;
}

/** The payload of a message. */
export interface Payload {
  readonly session: number;
  readonly number: number;
  readonly status: string;
  readonly files: readonly string[];
}

/** Returns a payload. */
export function payloadOf(session: number, number: number): Payload {
  return {
    session,
    number,
    status: "working",
    files: ["src/server/routes.ts", "src/server/session.ts"],
  };
}

/** A workload. */
export interface Workload {
  /** The readers of each message. */
  readonly audience: Audience;
  /** The number of sessions that publish, from the first one on. */
  readonly publishers: number;
  /** The mean rate of each publisher, in messages a second. */
  readonly messagesPerSecond: number;
  /** The duration of the unmeasured part, in ms. */
  readonly warmUpMs: number;
  /** The duration of the measured part, in ms. */
  readonly measuredMs: number;
  /**
   * The mean rate of each publisher in the unmeasured part, in messages a
   * second.
   * @default {messagesPerSecond}
   */
  readonly warmUpMessagesPerSecond?: number;
  /** The maximum time to wait for late messages, in ms. */
  readonly settleMs: number;
}

/** The times of a message, in ms. */
export interface Times {
  /** The start of publishing. */
  readonly start: number;
  /** The commit; NaN if the contestant does not tell it. */
  readonly commit: number;
  /** The acknowledgement. */
  readonly end: number;
}

/** The report of one session after a workload. */
export interface SessionAccount {
  /** Each measured message that it published: number and times. */
  readonly sent: readonly (readonly [number, Times])[];
  /** Each received message: session, number and time of the callback, in ms. */
  readonly received: readonly (readonly [number, number, number])[];
  /** The times of wake-ups without a message, in ms. */
  readonly wokenAt: readonly number[];
}

/**
 * Publishes a workload. Returns the number and times of each measured message.
 */
export async function publishWorkload(
  workload: Workload,
  session: number,
  sessions: number,
  firstNumber: number,
  publish: (
    channel: string,
    payload: Payload,
    to: Recipient,
  ) => Promise<number | void>,
): Promise<SessionAccount["sent"]> {
  const account: [number, Times][] = [];
  const beganAt = sharedNowMs();
  const measuredAt = beganAt + workload.warmUpMs;
  const endAt = measuredAt + workload.measuredMs;
  const {
    messagesPerSecond,
    warmUpMessagesPerSecond = messagesPerSecond,
  } = workload;
  let isWarm = warmUpMessagesPerSecond === messagesPerSecond;
  for (let number = firstNumber; session < workload.publishers; number++) {
    const perSecond = isWarm ? messagesPerSecond : warmUpMessagesPerSecond;
    // Random, because real sessions do not publish in step.
    const pauseMs = 1_000 / perSecond * (0.5 + Math.random());
    // The next message would be after the end.
    if (sharedNowMs() + pauseMs >= endAt) break;
    await pause(pauseMs);
    if (!isWarm && sharedNowMs() >= measuredAt) {
      isWarm = true;
      // Each publisher enters the slower rate at a random phase.
      await pause(1_000 / messagesPerSecond * Math.random());
    }
    const to = workload.audience === "all"
      ? "all"
      : otherThan(session, sessions);
    const channel = to === "all"
      ? CHANNELS[number % CHANNELS.length]
      : channelTo(to);
    const start = sharedNowMs();
    if (start >= endAt) break;
    const commit = await publish(channel, payloadOf(session, number), to);
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
