/**
 * Tables of text: aligned columns under headings.
 *
 * Cells are made harmless first (`visible_text.ts`) and measured as a terminal
 * shows them. On a terminal, a table that is too wide is wrapped, never cut: the
 * widest columns get narrower, and cells continue on further lines. In a pipe
 * each row is one line.
 *
 * @module
 */

import { type Paint, paint, terminalColumns } from "./terminal.ts";
import { padText, textWidth, wrapText } from "./text_width.ts";
import { visible } from "./visible_text.ts";

/** A cell of a table. */
export interface Cell {
  /** Text of the cell; it may come from other sessions. */
  readonly text: string;
  /** Colour or weight on a terminal (default: plain). */
  readonly paint?: Paint;
}

/** A column of a table. */
export interface Column {
  /** Heading; a table whose columns have none gets no line of headings. */
  readonly heading?: string;
  /** Side on which the text is aligned (default: left). */
  readonly align?: "left" | "right";
  /** Minimum width, in columns of the terminal. */
  readonly minWidth?: number;
  /**
   * Whether the cells are sentences. Only the last column can be. If little room
   * is left for it, its cells get lines of their own below their rows.
   */
  readonly isProse?: boolean;
}

const GAP = "  ";

// Columns are not made narrower than this: shorter lines are hard to read.
const WIDTH_MIN = 12;
const PROSE_WIDTH_MIN = 24;

/** Returns the lines of a table. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): string[] {
  const shown = rows.map((row) =>
    row.map((cell): Cell => ({ ...cell, text: visible(cell.text) }))
  );
  const widths = columns.map((column, i) =>
    Math.max(
      column.minWidth ?? 0,
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
  const layout = layoutOf(columns, widths);
  return [
    ...headings.flatMap((row) =>
      gridLines(columns, layout, row.slice(0, layout.widths.length))
    ),
    ...shown.flatMap((row) => layoutLines(columns, layout, row)),
  ];
}

/**
 * Returns the lines of one row of a table.
 *
 * @param widths Widths of the columns, without a terminal's limit.
 * @param cells Cells whose text is harmless already.
 */
export function rowLines(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly Cell[],
): string[] {
  return layoutLines(columns, layoutOf(columns, widths), cells);
}

/** Widths of the columns of a grid, and whether each cell fits its column. */
interface Layout {
  /** Widths; without that of a prose column that has lines of its own. */
  readonly widths: readonly number[];
  /** Columns of the terminal; undefined if nothing is wrapped. */
  readonly room: number | undefined;
}

function layoutOf(
  columns: readonly Column[],
  widths: readonly number[],
): Layout {
  const room = terminalColumns();
  if (room === undefined) return { widths, room };
  const last = widths.length - 1;
  if (!columns[last].isProse) return { widths: narrowed(widths, room), room };
  const others = widths.slice(0, last);
  const left = room - totalOf(others) - GAP.length;
  return left >= Math.min(widths[last], PROSE_WIDTH_MIN)
    ? { widths: [...others, Math.min(widths[last], left)], room }
    : { widths: narrowed(others, room), room };
}

/** Narrows the widest columns until all fit, or until none can be narrower. */
function narrowed(widths: readonly number[], room: number): number[] {
  const result = [...widths];
  let over = totalOf(widths) - room;
  while (over > 0) {
    const widest = Math.max(...result);
    if (widest <= WIDTH_MIN) break;
    result[result.lastIndexOf(widest)]--;
    over--;
  }
  return result;
}

function totalOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length);
}

function layoutLines(
  columns: readonly Column[],
  layout: Layout,
  cells: readonly Cell[],
): string[] {
  const count = layout.widths.length;
  const lines = gridLines(columns, layout, cells.slice(0, count));
  const [below] = cells.slice(count);
  return below === undefined || below.text === "" || below.text === "-"
    ? lines
    : [...lines, ...linesBelow(columns[count], layout, below)];
}

/** Returns the lines of a row; a cell that is too wide goes on below itself. */
function gridLines(
  columns: readonly Column[],
  { widths, room }: Layout,
  cells: readonly Cell[],
): string[] {
  const parts = cells.map(({ text }, i) =>
    room === undefined ? [text] : wrapText(text, widths[i])
  );
  const height = Math.max(...parts.map(({ length }) => length));
  return Array.from({ length: height }, (_, at) =>
    cells.map((cell, i) => {
      const text = parts[i][at] ?? "";
      const isLast = i === cells.length - 1;
      const { align = "left" } = columns[i];
      const padded = isLast && align === "left"
        ? text
        : padText(text, widths[i], align);
      return paint(cell.paint, padded) + (isLast ? "" : GAP);
    }).join("").trimEnd());
}

/** Returns the lines of a prose cell below its row, after its column's heading. */
function linesBelow(
  { heading }: Column,
  { room = Infinity }: Layout,
  cell: Cell,
): string[] {
  // Rows begin further left, so no text of a cell looks like a row.
  const indent = GAP + GAP;
  const label = heading === undefined ? "" : heading + GAP;
  const width = Math.max(WIDTH_MIN, room - indent.length - label.length);
  return wrapText(cell.text, width).map((text, i) =>
    indent +
    (i === 0 ? paint("bold", label) : " ".repeat(label.length)) +
    paint(cell.paint, text)
  );
}
