/**
 * Tables of text: aligned columns under headings.
 *
 * Cells are made harmless first (`visible_text.ts`), measured as a terminal
 * shows them, and on a terminal the rows are cut to its width; in a pipe they
 * are whole.
 *
 * @module
 */

import { type Paint, paint, terminalColumns } from "./terminal.ts";
import { cutText, padText, textWidth } from "./text_width.ts";
import { visible } from "./visible_text.ts";

/** A cell: text, and how to set it off. */
export interface Cell {
  /** What it says; it may come from others. */
  readonly text: string;
  /** How it is set off on a terminal. */
  readonly paint?: Paint;
}

/** A column. */
export interface Column {
  /** What stands above it; nothing for a table without headings. */
  readonly heading?: string;
  /** On which side its text stands. */
  readonly align?: "left" | "right";
  /** The least width. */
  readonly least?: number;
}

const GAP = "  ";

/** The lines of a table. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): string[] {
  const shown = rows.map((row) =>
    row.map((cell): Cell => ({ ...cell, text: visible(cell.text) }))
  );
  const widths = columns.map((column, i) =>
    Math.max(
      column.least ?? 0,
      textWidth(column.heading ?? ""),
      ...shown.map((row) => textWidth(row[i].text)),
    )
  );
  const headings = columns.some(({ heading }) => heading !== undefined)
    ? [
      columns.map(({ heading = "" }): Cell => ({
        text: heading,
        paint: "bold",
      })),
    ]
    : [];
  return [...headings, ...shown].map((row) => line(columns, widths, row));
}

/** One line of cells whose text is harmless already, each as wide as told. */
export function line(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly Cell[],
): string {
  let left = terminalColumns() ?? Infinity;
  const parts: string[] = [];
  for (const [i, cell] of cells.entries()) {
    const last = i === cells.length - 1;
    const gap = last ? "" : GAP;
    const { align = "left" } = columns[i];
    const whole = last && align === "left"
      ? cell.text
      : padText(cell.text, widths[i], align);
    const text = cutText(whole + gap, left);
    if (text === "") break;
    parts.push(paint(cell.paint, text));
    left -= textWidth(text);
  }
  return parts.join("").trimEnd();
}
