/**
 * `mbus send`: publishes one message.
 *
 * JSON: `{ id, channel, sender, project?, to?, notRunning? }`; `project` is
 * absent for a message to every project (`--all-projects`), `to` and
 * `notRunning` are there with `--to`.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "./command.ts";
import { openBusToWrite } from "./open.ts";
import { printAside, printJson, printLine } from "./output.ts";
import { readPayload } from "./payload.ts";
import { visible } from "./visible_text.ts";

const send: Command = defineCommand({
  name: "send",
  summary: "Publish a message on a channel",
  details: [
    "The message is stored when the command is done, and pushed to everybody " +
    "who reads the channel. With --all-projects it is for every project.",
    "With --to it is for one session alone: its id, any beginning of it that no " +
    "other has, or its short name. A session that has ended gets it if it " +
    "resumes in time.",
  ],
  examples: [
    `send state '{"status":"working","on":"src/a.ts"}'`,
    `send build.results '"passed"' --ttl 1h`,
    `send state - < state.json`,
    `send chat '"are you done with src/a.ts?"' --to codex-7f3a`,
  ],
  positionals: [
    { name: "CHANNEL", help: "Such as state, task_broadcast, build.results" },
    { name: "JSON", help: "The payload; - reads it from standard input" },
  ],
  options: {
    ttl: {
      kind: "duration",
      placeholder: "TIME",
      help:
        "How long it is delivered: 60s, 5m, 2h (else the channel's default)",
    },
    to: {
      kind: "string",
      placeholder: "SESSION",
      help: "Only this session gets it, in its inbox",
    },
  },
  async run({ positionals: [channel, text], options }) {
    const payload = await readPayload(text, {
      act: `send on "${channel}"`,
      usage: `mbus send ${channel}`,
    });
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const project = options["all-projects"] ? null : bus.project;
    const { id, to, notRunning } = await bus.publish(channel, payload, {
      project,
      to: options.to,
      ...(options.ttl !== undefined && { ttlSeconds: options.ttl / 1000 }),
    });
    if (options.json) {
      printJson({
        id,
        channel,
        sender: bus.session,
        ...(project !== null && { project }),
        ...(to !== undefined && { to, notRunning }),
      });
    } else {
      printLine(id);
      if (notRunning) {
        printAside(
          `mbus: ${
            visible(to!)
          } has ended; it gets the message if it resumes ` +
            `in time.`,
        );
      }
    }
    return EXIT.done;
  },
});

export default send;
