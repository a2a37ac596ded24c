/**
 * The workload of a delivery: what ten sessions say to each other.
 *
 * Each publishes at its own unsteady pace, on mixed channels, and every other
 * one gets everything: the hardest case, as each message has nine readers.
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

/** What one session of a round is told. */
export interface SessionTask {
  /** Its number, from 0. */
  readonly session: number;
  /** How many take part. */
  readonly sessions: number;
  /** A folder of the round's own. */
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
  /** Each message of its own: number, before publishing, after, in ms. */
  readonly said: readonly (readonly [number, number, number])[];
  /** Each message of others: session, number, when in hand, in ms. */
  readonly heard: readonly (readonly [number, number, number])[];
}

/** After the last message: the time in which everything must have come. */
const SETTLE_MS = 700;

/** Publishes for the time of a task; returns the account of it. */
export async function saySomeWhile(
  task: SessionTask,
  say: (channel: string, said: Said) => Promise<unknown>,
): Promise<SessionAccount["said"]> {
  const account: [number, number, number][] = [];
  const meanMs = 1_000 / task.messagesPerSecond;
  const beganAt = sharedNowMs();
  const measuredAt = beganAt + task.warmUpMs;
  const endAt = measuredAt + task.measuredMs;
  for (let number = 0;; number++) {
    // No common beat: sessions of the real world are not in step.
    await pause(meanMs * (0.5 + Math.random()));
    const before = sharedNowMs();
    if (before >= endAt) break;
    await say(CHANNELS[number % CHANNELS.length], {
      session: task.session,
      number,
      status: "working",
      files: ["src/server/routes.ts", "src/server/session.ts"],
    });
    if (before >= measuredAt) account.push([number, before, sharedNowMs()]);
  }
  await pause(SETTLE_MS);
  return account;
}
