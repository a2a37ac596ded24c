/**
 * Ten writers flat out: sessions that publish without pause, each awaiting its
 * commit, against SQLite's single write lock. It measures starvation, and the
 * size of the WAL, because a checkpoint needs a gap between transactions.
 *
 * @module
 */

import { pause } from "./clock.ts";
import { BUS } from "./contestants.ts";
import { Fleet } from "./fleet.ts";
import { spreadOf } from "./quantiles.ts";
import type { Row } from "./report.ts";
import type { Table } from "./result.ts";
import type { Written } from "./session.ts";

const WRITERS = 10;
const ROUNDS = 3;
const WATCH_EVERY_MS = 20;

/** The results of contention. */
export interface Contention {
  readonly rows: readonly Row[];
  readonly table: Table;
}

interface Round {
  readonly perSecond: number;
  readonly worstMs: number;
  readonly p99Ms: number;
  /** The maximum of commits per writer, divided by the minimum. */
  readonly fairness: number;
  readonly walMib: number;
}

/** Measures contention. */
export async function contend(
  folder: string,
  measuredMs: number,
): Promise<Contention> {
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push(await runRound(`${folder}-${round}`, measuredMs));
  }
  const row = (
    what: string,
    unit: string,
    of: (round: Round) => number,
    max?: number,
  ): Row => ({
    bench: "ten writers",
    what,
    unit,
    rounds: rounds.map(of),
    ...(max !== undefined && { bar: { of: "figure", max } }),
  });
  const median = (of: (round: Round) => number) =>
    spreadOf(rounds.map(of)).median;
  return {
    rows: [
      row("worst wait", "ms", ({ worstMs }) => worstMs, 150),
      row("fairness", "×", ({ fairness }) => fairness, 1.25),
      row("WAL, largest", "MiB", ({ walMib }) => walMib, 16),
      row("commits", "/s", ({ perSecond }) => perSecond),
    ],
    table: {
      title: "Ten writers flat out",
      caption: "Fairness is the maximum of commits per writer divided by the " +
        "minimum.",
      columns: ["commits/s", "p99 ms", "worst ms", "fairness", "WAL MiB"],
      rows: [[
        median(({ perSecond }) => perSecond),
        median(({ p99Ms }) => p99Ms),
        median(({ worstMs }) => worstMs),
        median(({ fairness }) => fairness),
        median(({ walMib }) => walMib),
      ]],
    },
  };
}

async function runRound(folder: string, measuredMs: number): Promise<Round> {
  await using fleet = await Fleet.start(BUS, {
    folder,
    sessions: WRITERS,
    receivesAll: false,
  });
  let walBytes = 0;
  let done = false;
  const watching = (async () => {
    while (!done) {
      const { size } = await Deno.stat(`${folder}/db/messaging.db-wal`);
      walBytes = Math.max(walBytes, size);
      await pause(WATCH_EVERY_MS);
    }
  })();
  const written = await fleet.askAll<Written>({ do: "write", ms: measuredMs });
  done = true;
  await watching;
  const counts = written.map(({ count }) => count);
  return {
    perSecond: counts.reduce((a, b) => a + b, 0) * 1_000 / measuredMs,
    worstMs: Math.max(...written.map(({ waits }) => waits.max)),
    p99Ms: Math.max(...written.map(({ waits }) => waits.p99)),
    fairness: Math.max(...counts) / Math.min(...counts),
    walMib: walBytes / 2 ** 20,
  };
}
