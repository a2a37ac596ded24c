/**
 * The result of a task: all that its page is made of, as JSON.
 *
 * The pages and charts are rendered from the file alone, without measuring.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import type { Verdict } from "./report.ts";

/** The tasks that write results. */
export const TASKS = ["gate", "matrix", "growth", "start"] as const;

/** A task that writes results. */
export type Task = typeof TASKS[number];

/** What a task found. */
export interface Result {
  readonly task: Task;
  readonly title: string;
  /** What it measures, in a sentence or two. */
  readonly about: string;
  /** When it ran: ISO 8601, in UTC. */
  readonly date: string;
  readonly seconds: number;
  /** Whether it was a short run, which proves nothing. */
  readonly quick: boolean;
  readonly command: string;
  readonly machine: Machine;
  /** What was held to a bar, or to what took turns with it. */
  readonly verdicts: readonly Verdict[];
  readonly charts: readonly Chart[];
  readonly tables: readonly Table[];
  /** Who was measured, and what each keeps. */
  readonly contestants: readonly {
    readonly label: string;
    readonly durability: string;
    readonly remark?: string;
  }[];
  /** What a reader must know to read the figures rightly. */
  readonly notes: readonly string[];
}

/** A table; numbers are rounded when they are shown. */
export interface Table {
  readonly title: string;
  readonly caption?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A cell of a table; a text with a mark stands for yes or no. */
export type Cell = string | number | boolean | null;

/** A chart. */
export type Chart = LinesChart | RangesChart | BarsChart;

interface AnyChart {
  /** Its name as a file, within the task. */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
}

/** One line of a chart. */
export interface Line {
  readonly name: string;
  /** Whether it is this bus. */
  readonly own?: boolean;
  readonly points: readonly (readonly [number, number])[];
}

/** Curves; those of this bus stand out. */
export interface LinesChart extends AnyChart {
  readonly kind: "lines";
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** A level that is not to be passed. */
  readonly bar?: { readonly y: number; readonly label: string };
}

/** How values lie along a side of a chart. */
export interface Axis {
  readonly label: string;
  /** `percentile` spreads what is close to 100. */
  readonly scale: "linear" | "log" | "percentile";
}

/** From the median to the 99th percentile, a row each. */
export interface RangesChart extends AnyChart {
  readonly kind: "ranges";
  readonly label: string;
  readonly rows: readonly {
    readonly name: string;
    readonly own?: boolean;
    readonly p50: number;
    readonly p99: number;
  }[];
}

/** A length a row. */
export interface BarsChart extends AnyChart {
  readonly kind: "bars";
  readonly label: string;
  readonly scale: "linear" | "log";
  readonly rows: readonly {
    readonly name: string;
    readonly own?: boolean;
    readonly value: number;
    /** Least and most of its rounds. */
    readonly spread?: readonly [number, number];
  }[];
}

/** What a task hands over; the rest is the same for all of them. */
export type Outcome = Omit<
  Result,
  "task" | "date" | "seconds" | "quick" | "command" | "machine" | "verdicts"
>;

/** The points of a distribution, for a chart over percentiles. */
export function percentilePoints(
  values: readonly number[],
): [number, number][] {
  const sorted = values.toSorted((a, b) => a - b);
  return PERCENTILES
    // No finer than what there is.
    .filter((percentile) => sorted.length * (100 - percentile) / 100 >= 1)
    .map((percentile) => {
      const rank = Math.ceil(percentile / 100 * sorted.length);
      return [percentile, sorted[Math.max(0, rank - 1)]];
    });
}

const PERCENTILES: readonly number[] = [
  ...Array.from({ length: 20 }, (_, i) => i * 4.5),
  ...Array.from({ length: 18 }, (_, i) => 90 + i * 0.5),
  ...Array.from({ length: 18 }, (_, i) => 99 + i * 0.05),
  99.9,
];
