/**
 * A run of a benchmark: its folder, its progress and its verdicts.
 *
 * @module
 */

import { judge, type Row, type Verdict } from "./report.ts";

/** A run of one benchmark. */
export class Run {
  /** The temporary folder of the run. */
  readonly folder: string;
  /** Whether the run is short. */
  readonly quick: boolean;
  /** The verdicts so far. */
  readonly verdicts: Verdict[] = [];
  /** The names of the bars that fail the run. */
  readonly failed: string[] = [];
  readonly #name: string;
  readonly #beganAt = performance.now();

  /** Starts a run. */
  constructor(name: string, folder: string, quick: boolean) {
    this.#name = name;
    this.folder = folder;
    this.quick = quick;
  }

  /** The time since the start, in seconds. */
  get seconds(): number {
    return (performance.now() - this.#beganAt) / 1_000;
  }

  /** Prints the current step to stderr. */
  progress(step: string): void {
    const seconds = Math.round(this.seconds).toString().padStart(4);
    console.error(`${this.#name} ${seconds} s  ${step}`);
  }

  /** Judges rows and adds their verdicts. */
  judge(rows: readonly Row[]): void {
    this.verdicts.push(...rows.map(judge));
  }

  /** Fails the run if a bar of these rows is not met. */
  failUnlessMet(rows: readonly Row[]): void {
    for (const { bench, what, met } of rows.map(judge)) {
      if (met === false) this.failed.push(`${bench}: ${what}`);
    }
  }
}
