/**
 * The workload of a delivery: what ten sessions say to each other.
 *
 * Each publishes at its own unsteady pace. Said to all, it is on mixed channels
 * and every other session gets it: the hardest case, as each message has nine
 * readers. Said to one, it is on a channel that only its reader wants.
 *
 * @module
 */

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

/** The channels that a session wants. */
export function channelsOf({ audience, session }: SessionTask): string[] {
  return audience === "all" ? [...CHANNELS] : [channelTo(session)];
}

function channelTo(session: number): string {
  return `session.${session}`;
}

/** What one session of a round is told. */
export interface SessionTask {
  /** Its number, from 0. */
  readonly session: number;
  /** How many take part. */
  readonly sessions: number;
  /** Who gets a message: every other session, or one of them. */
  readonly audience: Audience;
  /** A folder of the round's own, or the URL of its database. */
  readonly folder: string;
  /** Messages that it publishes in a second, on average. */
  readonly messagesPerSecond: number;
  /** How long it publishes unmeasured, and then measured, in ms. */
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

/** What is published. */
export interface Said {
  readonly session: number;
  readonly number: number;
  readonly status: string;
  readonly files: readonly string[];
}

/** What one session of a round tells at its end. */
export interface SessionAccount {
  /** Each message of its own: number, and when, in ms. */
  readonly said: readonly (readonly [number, Times])[];
  /** Each message of others: session, number, when in hand, in ms. */
  readonly heard: readonly (readonly [number, number, number])[];
  /** Where a wake-up tells nothing of what it is for: when each came, in ms. */
  readonly wokenAt?: readonly number[];
}

/** When a message was published, in ms. */
export interface Times {
  /** Publishing began. */
  readonly start: number;
  /** It was stored, or, where nothing is stored, publishing began. */
  readonly commit: number;
  /** Its publisher was told so. */
  readonly end: number;
}

/** After the last message: the time in which everything must have come. */
const SETTLE_MS = 700;

/** Publishes for the time of a task; returns the account of it. */
export async function saySomeWhile(
  task: SessionTask,
  /** Says something to one session, or all others; returns when it was stored. */
  say: (channel: string, said: Said, to: number | "all") => Promise<number>,
): Promise<SessionAccount["said"]> {
  const account: [number, Times][] = [];
  const meanMs = 1_000 / task.messagesPerSecond;
  const beganAt = sharedNowMs();
  const measuredAt = beganAt + task.warmUpMs;
  const endAt = measuredAt + task.measuredMs;
  for (let number = 0;; number++) {
    // No common beat: sessions of the real world are not in step.
    await pause(meanMs * (0.5 + Math.random()));
    const to = task.audience === "all" ? "all" : otherThan(task);
    const channel = to === "all"
      ? CHANNELS[number % CHANNELS.length]
      : channelTo(to);
    const said: Said = {
      session: task.session,
      number,
      status: "working",
      files: ["src/server/routes.ts", "src/server/session.ts"],
    };
    const start = sharedNowMs();
    if (start >= endAt) break;
    const commit = await say(channel, said, to);
    const end = sharedNowMs();
    if (start >= measuredAt) account.push([number, { start, commit, end }]);
  }
  await pause(SETTLE_MS);
  return account;
}

function otherThan({ session, sessions }: SessionTask): number {
  const step = 1 + Math.floor(Math.random() * (sessions - 1));
  return (session + step) % sessions;
}
