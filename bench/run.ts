/**
 * A run of a benchmark: where it works, how it tells how far it is, and what it
 * is judged by.
 *
 * @module
 */

import { judge, type Row, type Verdict } from "./report.ts";

/** A run of one benchmark. */
export class Run {
  /** A folder of its own. */
  readonly folder: string;
  /** Whether it is to be short. */
  readonly quick: boolean;
  /** What it was judged by. */
  readonly verdicts: Verdict[] = [];
  /** What failed it. */
  readonly failed: string[] = [];
  readonly #name: string;
  readonly #beganAt = performance.now();

  /** Begins a run. */
  constructor(name: string, folder: string, quick: boolean) {
    this.#name = name;
    this.folder = folder;
    this.quick = quick;
  }

  /** How long it has taken, in seconds. */
  get seconds(): number {
    return (performance.now() - this.#beganAt) / 1_000;
  }

  /** Tells whoever waits how far it is. */
  progress(step: string): void {
    const seconds = Math.round(this.seconds).toString().padStart(4);
    console.error(`${this.#name} ${seconds} s  ${step}`);
  }

  /** Sums rows up and judges them. */
  judge(rows: readonly Row[]): void {
    this.verdicts.push(...rows.map(judge));
  }

  /** Fails the run where one of these is not met. */
  failUnlessMet(rows: readonly Row[]): void {
    for (const { bench, what, met } of rows.map(judge)) {
      if (met === false) this.failed.push(`${bench}: ${what}`);
    }
  }
}
