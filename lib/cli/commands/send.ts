/**
 * `mbus send`: publishes one message.
 *
 * JSON: `{ id, channel, sender, project?, to?, notRunning? }`. `project` is absent
 * for a message to all projects (`--all-projects`). `to` and `notRunning` are
 * present with `--to`.
 *
 * @module
 */

import { assertChannel, ttlOf } from "../../model/channels.ts";
import { encodePayload } from "../../model/json.ts";
import { resolveOptions } from "../../bus/options.ts";
import { storePlace } from "../../store/place.ts";
import { Operations } from "../../bus/operations.ts";
import { identityIn, placeOf, startOf, warn } from "../current_session.ts";
import { type Command, defineCommand } from "../command.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { UsageError } from "../arguments.ts";
import { WAIT_OPTIONS, waitForDelivery } from "../delivery_wait.ts";
import { readPayload } from "../payload.ts";
import { visible } from "../output/visible_text.ts";

const send: Command = defineCommand({
  name: "send",
  details: [
    "When the command ends, the message is stored and pushed to all readers of " +
    "the channel. With --all-projects, sessions of every project get it.",
    "With --to, one session gets it: name its id, a unique prefix of it, or its " +
    "short name. A session that has ended gets it if it resumes in time.",
  ],
  examples: [
    `send state '{"status":"working","on":"src/a.ts"}'`,
    `send build.results '"passed"' --ttl 1h`,
    `send state - < state.json`,
    `send chat '"are you done with src/a.ts?"' --to codex-7f3a`,
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
    const resolved = resolveOptions({
      home: options.home,
      warn: (message: string): void => warn(message, options.json),
    });
    const ttlSeconds = options.ttl === undefined
      ? undefined
      : options.ttl / 1000;
    assertChannel(channel);
    const message = {
      channel,
      payloadText: encodePayload(channel, payload, resolved.payloadBytesMax),
      ttlSeconds: ttlOf(channel, ttlSeconds, {
        isDirect: options.to !== undefined,
      }),
      to: options.to,
    };
    await using opened = await storePlace(resolved).openOneShot(resolved);
    const { store } = opened;
    const operations = new Operations(store, resolved, resolved.warn, true);
    const identity = await identityIn(operations, options.session);
    const place = placeOf(identity);
    const project = options["all-projects"] ? null : place.project;
    const { id, sender, to, notRunning } = await operations.publishAs(
      identity.joined === undefined
        ? startOf(identity, place)
        : { joined: identity.joined.id },
      { ...message, project },
    );
    if (options.json) {
      printJson({
        id,
        channel,
        sender,
        ...(project !== null && { project }),
        ...(to !== undefined && { to, notRunning }),
      });
    } else {
      printLine(id);
      if (notRunning) {
        printToStderr(
          `mbus: ${
            visible(to!)
          } has ended. It gets the message if it resumes ` +
            `in time.`,
        );
      }
    }
    // The sender has its answer: the rest may take time.
    await operations.purgeIfDue();
    opened.detach();
    return await waitForDelivery(options, { id, sender });
  },
});

export default send;
