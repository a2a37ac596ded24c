/**
 * The report: one row per figure, with its baseline and its bar.
 *
 * Machines differ and are busy, so the ratio of two contestants of one run
 * counts. A missed bar does not fail the run, except in the gate.
 *
 * @module
 */

import { type Spread, spreadOf } from "./quantiles.ts";

/** A limit of a figure. */
export interface Bar {
  /** The judged value: the figure, or its ratio to the baseline. */
  readonly of: "figure" | "ratio";
  /** The maximum that meets the bar. */
  readonly max?: number;
  /** The limit that the value must stay below. */
  readonly below?: number;
  /** The minimum that meets the bar. */
  readonly min?: number;
}

/** One figure of the report. */
export interface Row {
  /** The name of the benchmark. */
  readonly bench: string;
  /** The name of the figure. */
  readonly what: string;
  /** The unit of the figure and of its baseline. */
  readonly unit: string;
  /** The figure in each round of this bus. */
  readonly rounds: readonly number[];
  /** The contestant to compare with. */
  readonly baseline?: {
    readonly name: string;
    readonly rounds: readonly number[];
  };
  /** The limit, if the figure is judged. */
  readonly bar?: Bar;
}

/** The figures of one benchmark. */
export interface Finding {
  readonly rows: readonly Row[];
  /** A line on each contestant and its durability. */
  readonly contestants: readonly string[];
}

/** A row with the spread of its rounds and its judged bar. */
export interface Verdict {
  readonly bench: string;
  readonly what: string;
  readonly unit: string;
  readonly figure: Spread;
  readonly baseline?: Spread & { readonly name: string };
  /** This bus divided by the baseline, round by round. */
  readonly ratio?: Spread;
  readonly bar?: Bar;
  readonly met?: boolean;
}

/** Judges a row by the median of its rounds. */
export function judge(row: Row): Verdict {
  const { bench, what, unit, bar } = row;
  const figure = spreadOf(row.rounds);
  const baseline = row.baseline &&
    { ...spreadOf(row.baseline.rounds), name: row.baseline.name };
  const ratio = row.baseline && spreadOf(
    row.rounds.map((value, i) => value / row.baseline!.rounds[i]),
  );
  const judged = bar?.of === "ratio" ? ratio?.median : figure.median;
  const met = bar === undefined || judged === undefined
    ? undefined
    : judged <= (bar.max ?? Infinity) && judged < (bar.below ?? Infinity) &&
      judged >= (bar.min ?? -Infinity);
  return { bench, what, unit, figure, baseline, ratio, bar, met };
}

/** Returns the verdicts as a text table. */
export function tableOf(verdicts: readonly Verdict[]): string {
  const lines = [
    ["", "this bus", "baseline", "ratio", "bar", ""],
    ...verdicts.map((verdict) => [
      `${verdict.bench}: ${verdict.what}`,
      `${spread(verdict.figure)} ${verdict.unit}`,
      verdict.baseline === undefined
        ? ""
        : `${spread(verdict.baseline)} ${verdict.baseline.name}`,
      verdict.ratio === undefined ? "" : `${spread(verdict.ratio, fine)} ×`,
      barText(verdict),
      verdict.met === undefined ? "" : verdict.met ? "met" : "NOT MET",
    ]),
  ];
  const widths = lines[0].map((_, column) =>
    Math.max(...lines.map((line) => line[column].length))
  );
  return lines.map((line) =>
    line.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()
  ).join("\n");
}

/** Returns the bar of a verdict as text; empty without a bar. */
export function barText({ bar, unit }: Verdict): string {
  if (bar === undefined) return "";
  const { max, below, min } = bar;
  const limit = max !== undefined
    ? `≤ ${max}`
    : below !== undefined
    ? `< ${below}`
    : `≥ ${min}`;
  return `${limit} ${bar.of === "ratio" ? "×" : unit}`;
}

/** Returns a figure with its range as text. */
export function spread(
  { median, min, max }: Spread,
  text: (value: number) => string = short,
): string {
  return min === max
    ? text(median)
    : `${text(median)} (${text(min)}–${text(max)})`;
}

/** Returns a ratio with the precision of the bars. */
function fine(value: number): string {
  return Math.abs(value) >= 10 ? short(value) : value.toFixed(2);
}

/** Returns a number with two or three significant digits. */
export function short(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return value.toPrecision(Math.abs(value) >= 10 ? 3 : 2);
}
