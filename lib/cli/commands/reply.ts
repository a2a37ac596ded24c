/**
 * `mbus reply`: answers the sender of a message, and acknowledges a direct
 * message.
 *
 * JSON: `{ id, channel, sender, to, replyTo, notRunning }`.
 *
 * @module
 */

import type { MessageBus } from "../../bus/bus.ts";
import type { Message } from "../../model/message.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { readPayload } from "../payload.ts";
import { RefusalError } from "../refusal.ts";
import { visible } from "../output/visible_text.ts";

const PAGE_MESSAGES = 10_000;

const reply: Command = defineCommand({
  name: "reply",
  examples: [`reply 41 '"yes, it is yours"'`],
  exitCodes: { 1: "The message is expired" },
  json: [{ object: "sent" }],
  positionals: [
    { name: "ID", help: "Message id, as inbox, tail or poll print it" },
    { name: "JSON", help: "Answer; - reads it from standard input" },
  ],
  options: {},
  async run({ positionals: [id, text], options }) {
    const payload = await readPayload(text, {
      act: `reply to message ${id}`,
      usage: `mbus reply ${id}`,
    });
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const question = await findMessage(bus, id);
    if (question === undefined) {
      throw new RefusalError(
        `Cannot reply to message ${JSON.stringify(id)}: the message is ` +
          `expired, or not readable by this session. Write to the session ` +
          `with "mbus send CHANNEL JSON --to SESSION".`,
      );
    }
    const { sender, channel } = question;
    const sent = await bus.reply(question, payload);
    if (options.json) {
      printJson({
        id: sent.id,
        channel,
        sender: bus.session,
        to: sent.to,
        replyTo: question.id,
        notRunning: sent.notRunning,
      });
    } else {
      printLine(sent.id);
      if (sent.notRunning) {
        printToStderr(
          `mbus: ${visible(sender)} has ended. It gets the answer if it ` +
            `resumes in time.`,
        );
      }
    }
    return EXIT.done;
  },
});

export default reply;

/** Returns the message with this id, if the session can read it. */
async function findMessage(
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
