/**
 * `mbus sent`: lists the direct messages of this session with their states.
 *
 * JSON, one line per message, oldest first: `{ id, to, toName?, state,
 * changedAt, expiresAt?, message? }`.
 *
 * @module
 */

import type { SentMessage } from "../../bus/operations.ts";
import type { DeliveryState } from "../../model/delivery.ts";
import { ago } from "../../text/ago.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { STATE_WORDS } from "../output/delivery_words.ts";
import { printJson, printLine } from "../output/output.ts";
import { type Cell, tableLines } from "../output/table.ts";
import type { Paint } from "../output/terminal.ts";
import { visibleJson } from "../output/visible_text.ts";

const sent: Command = defineCommand({
  name: "sent",
  details: [
    "A message is queued; noticed once a program of the session has read it; told " +
    "once it was put before its model; acknowledged; or expired, or undeliverable " +
    "if the session ended. A state is never later than what is proven.",
  ],
  json: [{
    fields: [
      ...[
        "id",
        "sender",
        "to",
        "toName?",
        "state",
        "changedAt",
        "expiresAt?",
        "message?",
      ],
    ],
  }],
  positionals: [],
  options: {
    count: {
      kind: "integer",
      short: "n",
      min: 1,
      placeholder: "N",
      help: "Maximum number, the latest",
      default: "20",
    },
  },
  async run({ options }) {
    await using opened = await openBusFor(options);
    const { count: limit = 20 } = options;
    const messages = (await opened.bus.sent({ limit })).toReversed();
    if (options.json) messages.forEach(printJson);
    else if (messages.length === 0) printLine("No direct messages sent.");
    else {tableLines(COLUMNS, messages.map((each) => row(each, options.long)))
        .forEach(printLine);}
    return EXIT.done;
  },
});

export default sent;

const COLUMNS = [
  { heading: "ID", align: "right" },
  { heading: "TO" },
  { heading: "SENT" },
  { heading: "STATE" },
  { heading: "SINCE" },
  { heading: "TEXT", isProse: true },
] as const;

const PAINTS: Partial<Record<DeliveryState, Paint>> = {
  acked: "green",
  expired: "red",
  undeliverable: "red",
};

function row(
  { id, to, toName = to, state, changedAt, message }: SentMessage,
  long: boolean,
): Cell[] {
  return [
    { text: id },
    { text: long ? to : toName },
    { text: message === undefined ? "-" : agoOf(message.createdAt) },
    { text: STATE_WORDS[state], paint: PAINTS[state] },
    { text: agoOf(changedAt) },
    { text: message === undefined ? "-" : textOf(message.payload) },
  ];
}

function textOf(payload: unknown): string {
  return typeof payload === "string" ? payload : visibleJson(payload);
}

function agoOf(iso: string): string {
  return ago(Date.now() - Date.parse(iso));
}
