/**
 * Messages as lines for people: id, time, channel, sender and payload.
 *
 * Each column is as wide as its widest cell so far, because a stream's later
 * cells are not known.
 *
 * @module
 */

import { ago } from "../../text/ago.ts";
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
  readonly #isLive: boolean;
  readonly #shown: (session: string) => string;

  /**
   * Makes the lines of a stream.
   *
   * @param isLive Whether lines stay on the screen while further ones come. They
   * then have the time of day, because an age would soon be wrong.
   * @param shown Returns the text for the session of an id.
   */
  constructor({ isLive, shown }: {
    readonly isLive: boolean;
    readonly shown: (session: string) => string;
  }) {
    this.#isLive = isLive;
    this.#shown = shown;
  }

  /** Returns the lines of the next message, separated by line breaks. */
  render(message: Message): string {
    const sender = this.#shown(message.sender);
    const to = message.to === undefined ? "" : ` → ${this.#shown(message.to)}`;
    const cells: Cell[] = [
      { text: visible(message.id), paint: "dim" },
      { text: this.#timeOf(message), paint: "dim" },
      { text: visible(message.channel), paint: "cyan" },
      { text: visible(sender + to), paint: "green" },
      { text: visibleJson(message.payload) },
    ];
    cells.slice(0, -1).forEach((cell, i) => {
      const width = Math.min(textWidth(cell.text), WIDTH_MAX);
      this.#widths[i] = Math.max(this.#widths[i], width);
    });
    const widths = [...this.#widths, textWidth(cells.at(-1)!.text)];
    return rowLines(COLUMNS, widths, cells).join("\n");
  }

  #timeOf({ createdAt }: Message): string {
    if (this.#isLive) return timeOf(createdAt);
    const ageMs = Date.now() - Date.parse(createdAt);
    return Number.isNaN(ageMs) ? "?" : ago(ageMs);
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
