/**
 * `mbus send`: publishes one message.
 *
 * JSON: `{ id, channel, sender, project?, to?, toName?, notRunning? }`. `project` is
 * absent for a message to all projects (`--all-projects`). `to`, `toName` and
 * `notRunning` are present with `--to`.
 *
 * @module
 */

import { type Command, defineCommand } from "../command.ts";
import { UsageError } from "../arguments.ts";
import { WAIT_OPTIONS, waitForDelivery } from "../delivery_wait.ts";
import { readPayload } from "../payload.ts";
import { sendMessage } from "../send_message.ts";

const send: Command = defineCommand({
  name: "send",
  details: [
    "When the command ends, the message is stored and pushed to all readers of " +
    "the channel. With --all-projects, sessions of every project get it.",
    "For text to a session, use mbus tell. With --to, one session gets the " +
    "JSON; a session that has ended gets it if it resumes in time.",
  ],
  examples: [
    `send state '{"status":"working","on":"src/a.ts"}'`,
    `send build.results '"passed"' --ttl 1h`,
    `send state - < state.json`,
    `send reviews '{"done":"src/a.ts"}' --to codex-7f3a`,
  ],
  exitCodes: { 1: "The session of --to is unknown" },
  json: [{ object: "sent" }],
  positionals: [
    {
      name: "CHANNEL",
      help: "Channel, such as state, task_broadcast or build.results",
    },
    { name: "JSON", help: "Payload; - reads it from standard input" },
  ],
  options: {
    ttl: {
      kind: "duration",
      placeholder: "TIME",
      help: "Time to live, such as 5m",
      default: "the channel's; 7 days with --to",
    },
    to: {
      kind: "string",
      placeholder: "SESSION",
      help: "Session whose inbox gets it",
      default: "all readers",
    },
    ...WAIT_OPTIONS,
  },
  async run({ positionals: [channel, text], options }) {
    const payload = await readPayload(text, {
      act: `send on "${channel}"`,
      usage: `mbus send ${channel}`,
    });
    if (options.wait !== undefined && options.to === undefined) {
      throw new UsageError(
        "wait",
        `Cannot run "send": --wait is for a message to one session. Add --to ` +
          `SESSION.`,
      );
    }
    const sent = await sendMessage(options, {
      channel,
      payload,
      to: options.to,
      ttlMs: options.ttl,
      line: (id) => id,
    });
    return await waitForDelivery(options, sent);
  },
});

export default send;
