/**
 * Tables of text: aligned columns under headings.
 *
 * Cells are made harmless first (`visible_text.ts`) and measured as a terminal
 * shows them. On a terminal rows are as wide as it is: where they are not, the
 * widest columns are cut first, so that none hides all that follow. In a pipe
 * they are whole.
 *
 * @module
 */

import { type Paint, paint, terminalColumns } from "./terminal.ts";
import { cutStart, cutText, padText, textWidth } from "./text_width.ts";
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
  /** What goes where there is no room: of a path the end tells most. */
  readonly cut?: "start" | "end";
}

const GAP = "  ";

// What is cut to less tells nothing.
const CUT_WIDTH_MIN = 12;

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
  const fitting = fitted(widths, terminalColumns());
  return [...headings, ...shown].map((row) => line(columns, fitting, row));
}

/** The widths, the widest made narrower until all columns fit. */
function fitted(widths: readonly number[], room = Infinity): number[] {
  const fitting = [...widths];
  let over = widths.reduce((sum, width) => sum + width + GAP.length, 0) -
    GAP.length - room;
  while (over > 0) {
    const widest = Math.max(...fitting);
    if (widest <= CUT_WIDTH_MIN) break;
    fitting[fitting.lastIndexOf(widest)]--;
    over--;
  }
  return fitting;
}

/** One line of cells whose text is harmless already, each as wide as told. */
export function line(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly Cell[],
): string {
  const columnsOfTerminal = terminalColumns();
  let left = columnsOfTerminal ?? Infinity;
  const parts: string[] = [];
  for (const [i, cell] of cells.entries()) {
    const last = i === cells.length - 1;
    const gap = last ? "" : GAP;
    const { align = "left", cut = "end" } = columns[i];
    const fits = columnsOfTerminal === undefined || last;
    const inColumn = fits
      ? cell.text
      : (cut === "start" ? cutStart : cutText)(cell.text, widths[i]);
    const whole = last && align === "left"
      ? inColumn
      : padText(inColumn, widths[i], align);
    const text = cutText(whole + gap, left);
    if (text === "") break;
    parts.push(paint(cell.paint, text));
    left -= textWidth(text);
  }
  return parts.join("").trimEnd();
}
