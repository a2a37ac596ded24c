/**
 * `mbus reply`: answers the sender of a message, and acknowledges a direct
 * message.
 *
 * JSON: `{ id, channel, sender, to, toName, replyTo, notRunning }`.
 *
 * @module
 */

import type { MessageBus } from "../../bus/bus.ts";
import type { Delivery } from "../../model/delivery.ts";
import { InvalidInputError } from "../../model/errors.ts";
import type { Message } from "../../model/message.ts";
import { UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { readText, TEXT, TEXT_RULE } from "../payload.ts";
import { waitingNote } from "../send_message.ts";
import { RefusalError } from "../refusal.ts";
import { visible } from "../output/visible_text.ts";

const PAGE_MESSAGES = 10_000;

const reply: Command = defineCommand({
  name: "reply",
  details: [
    TEXT_RULE,
  ],
  examples: ["reply 41 yes, it is yours", "reply 41 - < answer.txt"],
  exitCodes: { 1: "The message is expired, or for another session" },
  json: [{ object: "sent" }],
  positionals: [
    { name: "ID", help: "Message id, as inbox, tail or poll print it" },
    TEXT,
  ],
  options: {},
  async run({ positionals: [id, ...words], options }) {
    const payload = await readText(words, {
      act: `reply to message ${id}`,
      usage: `mbus reply ${id}`,
    });
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const question = await findMessage(bus, id);
    const { channel } = question;
    const sent = await bus.reply(question, payload);
    if (options.json) {
      printJson({
        id: sent.id,
        channel,
        sender: bus.session,
        to: sent.to,
        toName: sent.toName,
        replyTo: question.id,
        notRunning: sent.notRunning,
      });
    } else {
      const name = sent.toName ?? sent.to!;
      printLine(visible(`Message ${sent.id} to ${name}.`));
      if (sent.notRunning) printToStderr(`mbus: ${waitingNote(name)}`);
    }
    return EXIT.done;
  },
});

export default reply;

/**
 * Returns the message with this id.
 *
 * @throws {RefusalError} If the session cannot read it.
 */
async function findMessage(
  bus: MessageBus,
  id: string,
): Promise<Pick<Message, "id" | "sender" | "channel">> {
  const found = await readMessage(bus, id);
  if (found !== undefined) return found;
  const delivery = await deliveryOf(bus, id);
  // A message that was for the last session with this one's name.
  if (delivery?.to === bus.session) {
    return { id: delivery.id, sender: delivery.sender, channel: "chat" };
  }
  throw new RefusalError(
    `Cannot reply to message ${JSON.stringify(id)}: it is ` +
      (delivery === undefined
        ? "expired, or not readable by this session"
        : "for another session") +
      `. Write to a session with "mbus tell NAME TEXT".`,
  );
}

async function deliveryOf(
  bus: MessageBus,
  id: string,
): Promise<Delivery | undefined> {
  try {
    return await bus.delivery(id);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw new UsageError(
      "id",
      `Cannot reply to message ${
        JSON.stringify(id)
      }: it is not a message id. ` +
        `Write the number that mbus inbox shows.`,
      { cause: error },
    );
  }
}

/** Returns the message with this id, if the session can read it. */
async function readMessage(
  bus: MessageBus,
  id: string,
): Promise<Message | undefined> {
  let after: string | undefined;
  for (;;) {
    const { messages, cursor } = await bus.poll(null, {
      after,
      limit: PAGE_MESSAGES,
      allProjects: true,
    });
    const found = messages.find((message) => message.id === id);
    if (found !== undefined || messages.length < PAGE_MESSAGES) return found;
    after = cursor;
  }
}
