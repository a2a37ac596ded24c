/**
 * The report: one row a figure, each with what it is held against.
 *
 * Machines differ and are busy, so what counts is the ratio of two contestants
 * that took turns within one run. A bar is reported as met or not, and never
 * fails the run: only a contestant that could not run does.
 *
 * @module
 */

import { type Spread, spreadOf } from "./quantiles.ts";

/** What a figure must not be above, or not below. */
export interface Bar {
  /** Whether the figure itself or its ratio to the baseline is judged. */
  readonly of: "figure" | "ratio";
  /** The most that meets it. */
  readonly most?: number;
  /** What it must stay below. */
  readonly below?: number;
  /** The least that meets it. */
  readonly least?: number;
}

/** One figure of the report. */
export interface Row {
  /** The benchmark that it belongs to. */
  readonly bench: string;
  /** What was measured. */
  readonly what: string;
  /** The unit of the figure and of its baseline. */
  readonly unit: string;
  /** The rounds of this bus. */
  readonly rounds: readonly number[];
  /** What took turns with it. */
  readonly baseline?: {
    readonly name: string;
    readonly rounds: readonly number[];
  };
  /** What it is held to. */
  readonly bar?: Bar;
}

/** What one benchmark found. */
export interface Finding {
  /** Its figures. */
  readonly rows: readonly Row[];
  /** Who was measured, and what each would survive. */
  readonly contestants: readonly string[];
}

/** A row with its rounds summed up and its bar judged. */
export interface Verdict {
  readonly bench: string;
  readonly what: string;
  readonly unit: string;
  readonly figure: Spread;
  readonly baseline?: Spread & { readonly name: string };
  /** This bus over the baseline, round by round. */
  readonly ratio?: Spread;
  readonly bar?: Bar;
  readonly met?: boolean;
}

/** Sums a row up. */
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
    : judged <= (bar.most ?? Infinity) && judged < (bar.below ?? Infinity) &&
      judged >= (bar.least ?? -Infinity);
  return { bench, what, unit, figure, baseline, ratio, bar, met };
}

/** The verdicts as a table for people. */
export function tableOf(verdicts: readonly Verdict[]): string {
  const lines = [
    ["", "this bus", "beside it", "ratio", "bar", ""],
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

/** What a verdict was held to, for people; empty for nothing. */
export function barText({ bar, unit }: Verdict): string {
  if (bar === undefined) return "";
  const { most, below, least } = bar;
  const limit = most !== undefined
    ? `≤ ${most}`
    : below !== undefined
    ? `< ${below}`
    : `≥ ${least}`;
  return `${limit} ${bar.of === "ratio" ? "×" : unit}`;
}

/** A figure with its spread, for people. */
export function spread(
  { median, least, most }: Spread,
  text: (value: number) => string = short,
): string {
  return least === most
    ? text(median)
    : `${text(median)} (${text(least)}–${text(most)})`;
}

/** A ratio, as fine as the bars are. */
function fine(value: number): string {
  return Math.abs(value) >= 10 ? short(value) : value.toFixed(2);
}

/** A number with as many digits as are worth reading. */
export function short(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return value.toPrecision(Math.abs(value) >= 10 ? 3 : 2);
}
