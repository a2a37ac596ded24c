/**
 * Messages as lines for people: id, time, channel, sender and payload.
 *
 * Each column is as wide as its widest cell so far, because a stream's later
 * cells are not known.
 *
 * @module
 */

import type { Message } from "../../model/message.ts";
import { type Cell, type Column, rowLines } from "./table.ts";
import { textWidth } from "./text_width.ts";
import { visible, visibleJson } from "./visible_text.ts";

const COLUMNS: readonly Column[] = [
  { align: "right" },
  {},
  {},
  {},
  { isProse: true },
];

// A column is never wider: a wider cell is wrapped on a terminal, and shifts its
// line in a pipe.
const WIDTH_MAX = 32;

/** Renders the messages of one stream. */
export class MessageLines {
  readonly #widths = [3, 8, 5, 12];

  /** Returns the lines of the next message, separated by line breaks. */
  render(message: Message): string {
    const to = message.to === undefined ? "" : ` → ${message.to}`;
    const cells: Cell[] = [
      { text: visible(message.id), paint: "dim" },
      { text: timeOf(message.createdAt), paint: "dim" },
      { text: visible(message.channel), paint: "cyan" },
      { text: visible(message.sender + to), paint: "green" },
      { text: visibleJson(message.payload) },
    ];
    cells.slice(0, -1).forEach((cell, i) => {
      const width = Math.min(textWidth(cell.text), WIDTH_MAX);
      this.#widths[i] = Math.max(this.#widths[i], width);
    });
    const widths = [...this.#widths, textWidth(cells.at(-1)!.text)];
    return rowLines(COLUMNS, widths, cells).join("\n");
  }
}

/** Returns the local time of day, or dashes for text that is not a date. */
export function timeOf(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "--:--:--";
  const two = (value: number): string => String(value).padStart(2, "0");
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map(two).join(":");
}
