/**
 * The result of a task, as JSON.
 *
 * Pages and charts are rendered from this file alone.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import type { Verdict } from "./report.ts";

/** The tasks that write results. */
export const TASKS = ["gate", "matrix", "growth", "start"] as const;

/** A task that writes results. */
export type Task = typeof TASKS[number];

/** The result of a task. */
export interface Result {
  readonly task: Task;
  readonly title: string;
  /** The subject of the task, in one or two sentences. */
  readonly about: string;
  /** The end of the run: ISO 8601, in UTC. */
  readonly date: string;
  /** The duration of the run, in seconds. */
  readonly seconds: number;
  /** Whether the run was short, which proves nothing. */
  readonly quick: boolean;
  readonly command: string;
  readonly machine: Machine;
  /** The figures, with their baselines and bars. */
  readonly verdicts: readonly Verdict[];
  readonly charts: readonly Chart[];
  readonly tables: readonly Table[];
  /** The contestants, with their durability. */
  readonly contestants: readonly {
    readonly label: string;
    readonly durability: string;
    readonly remark?: string;
  }[];
  /** Notes that explain the figures. */
  readonly notes: readonly string[];
}

/** A table. The page rounds its numbers. */
export interface Table {
  readonly title: string;
  readonly caption?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A cell of a table. The page shows a boolean as a mark. */
export type Cell = string | number | boolean | null;

/** A chart. */
export type Chart = LinesChart | RangesChart | BarsChart;

interface AnyChart {
  /** The name of the chart in file names, unique in the task. */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
}

/** One line of a chart. */
export interface Line {
  readonly name: string;
  /** Whether the line is this bus's. */
  readonly own?: boolean;
  readonly points: readonly (readonly [number, number])[];
}

/** A chart of curves, with this bus's highlighted. */
export interface LinesChart extends AnyChart {
  readonly kind: "lines";
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** A level that the curves should stay below. */
  readonly bar?: { readonly y: number; readonly label: string };
}

/** An axis of a chart. */
export interface Axis {
  readonly label: string;
  /** The scale; `percentile` spreads values close to 100. */
  readonly scale: "linear" | "log" | "percentile";
}

/** A chart of ranges from the median to the 99th percentile. */
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

/** A chart of one value per row. */
export interface BarsChart extends AnyChart {
  readonly kind: "bars";
  readonly label: string;
  readonly scale: "linear" | "log";
  readonly rows: readonly {
    readonly name: string;
    readonly own?: boolean;
    readonly value: number;
    /** The minimum and maximum of the rounds. */
    readonly spread?: readonly [number, number];
  }[];
}

/** The part of a result that a task returns. */
export type Outcome = Omit<
  Result,
  "task" | "date" | "seconds" | "quick" | "command" | "machine" | "verdicts"
>;

/** Returns the points of a distribution, for a chart over percentiles. */
export function percentilePoints(
  values: readonly number[],
): [number, number][] {
  const sorted = values.toSorted((a, b) => a - b);
  return PERCENTILES
    // Leaves out percentiles that the number of values cannot resolve.
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
