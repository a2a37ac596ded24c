/**
 * `mbus tell`: writes text to one session, or to all on the channel `chat`.
 *
 * JSON: `{ id, channel, sender, project?, to?, toName?, notRunning? }`, as `send`.
 *
 * @module
 */

import { UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { WAIT_OPTIONS, waitForDelivery } from "../delivery_wait.ts";
import { visible } from "../output/visible_text.ts";
import { readText, TEXT, TEXT_RULE, WHO } from "../payload.ts";
import { sendMessage } from "../send_message.ts";
import { EVERYONE } from "../../rules/names.ts";

const tell: Command = defineCommand({
  name: "tell",
  details: [
    TEXT_RULE,
    "A message to one session waits in its inbox. A message to all is on the " +
    "channel chat for a day.",
  ],
  examples: [
    "tell codex-7f3a src/a.ts is yours now",
    "tell all 'main is red, do not merge'",
    "tell backend - < notes.txt",
  ],
  exitCodes: { 1: "With --wait, the message did not come so far" },
  json: [{ object: "sent" }],
  positionals: [WHO, TEXT],
  options: WAIT_OPTIONS,
  async run({ positionals: [who, ...words], options }) {
    const payload = await readText(words, {
      act: `write to "${who}"`,
      usage: `mbus tell ${who}`,
    });
    if (options.wait !== undefined && who === EVERYONE) {
      throw new UsageError(
        "wait",
        `Cannot write to all with --wait: it is for a message to one session. ` +
          `Leave --wait out.`,
      );
    }
    const sent = await sendMessage(options, {
      channel: "chat",
      payload,
      to: who === EVERYONE ? undefined : who,
      line: (id, toName) => visible(`Message ${id} to ${toName ?? EVERYONE}.`),
    });
    return await waitForDelivery(options, sent);
  },
});

export default tell;
