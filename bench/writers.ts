/**
 * Ten writers flat out: sessions that publish on and on, each waiting for its
 * own commit, against SQLite's one write lock. What counts is that nobody
 * starves, and that the log stays small, since a checkpoint needs a gap.
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

/** What contention came to. */
export interface Contention {
  readonly rows: readonly Row[];
  readonly table: Table;
}

interface Round {
  readonly perSecond: number;
  readonly worstMs: number;
  readonly p99Ms: number;
  /** The most that one got done over the least. */
  readonly fairness: number;
  readonly logMib: number;
}

/** Measures it. */
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
    most?: number,
  ): Row => ({
    bench: "ten writers",
    what,
    unit,
    rounds: rounds.map(of),
    ...(most !== undefined && { bar: { of: "figure", most } }),
  });
  const median = (of: (round: Round) => number) =>
    spreadOf(rounds.map(of)).median;
  return {
    rows: [
      row("worst wait", "ms", ({ worstMs }) => worstMs, 150),
      row("fairness", "×", ({ fairness }) => fairness, 1.25),
      row("write-ahead log, largest", "MiB", ({ logMib }) => logMib, 16),
      row("commits", "/s", ({ perSecond }) => perSecond),
    ],
    table: {
      title: "Ten writers flat out",
      caption: "Fairness is what the busiest writer got done over the least " +
        "busy one.",
      columns: ["commits/s", "p99 ms", "worst ms", "fairness", "log MiB"],
      rows: [[
        median(({ perSecond }) => perSecond),
        median(({ p99Ms }) => p99Ms),
        median(({ worstMs }) => worstMs),
        median(({ fairness }) => fairness),
        median(({ logMib }) => logMib),
      ]],
    },
  };
}

async function runRound(folder: string, measuredMs: number): Promise<Round> {
  await using fleet = await Fleet.start(BUS, {
    folder,
    sessions: WRITERS,
    hearsAll: false,
  });
  let logBytes = 0;
  let done = false;
  const watching = (async () => {
    while (!done) {
      const { size } = await Deno.stat(`${folder}/db/messaging.db-wal`);
      logBytes = Math.max(logBytes, size);
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
    logMib: logBytes / 2 ** 20,
  };
}
