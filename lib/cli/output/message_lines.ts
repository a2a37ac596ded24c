/**
 * Messages as lines for people: id, time, channel, sender and payload.
 *
 * Columns grow with what they have shown, so that lines stay aligned in a
 * stream that nobody knows the end of.
 *
 * @module
 */

import type { Message } from "../../model/message.ts";
import { type Cell, type Column, line } from "./table.ts";
import { textWidth } from "./text_width.ts";
import { visible, visibleJson } from "./visible_text.ts";

const COLUMNS: readonly Column[] = [{ align: "right" }, {}, {}, {}, {}];

// A sender may have a long name: what is wider than this is cut on a terminal, and
// not lined up elsewhere.
const WIDTH_MAX = 32;

/** Renders the messages of one stream. */
export class MessageLines {
  readonly #widths = [3, 8, 5, 12, 0];

  /** The line of the next message. */
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
    return line(COLUMNS, this.#widths, cells);
  }
}

/** The local time of day; foreign dates may be anything. */
export function timeOf(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "--:--:--";
  const two = (value: number): string => String(value).padStart(2, "0");
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map(two).join(":");
}
