/**
 * `mbus tail`: prints messages as they arrive.
 *
 * JSON, one line per message:
 * `{ id, sender, name, channel, payload, createdAt, expiresAt, project?, to?, toName?,
 * replyTo? }`.
 * With `--durable` also `{ lost, durable }`, the number of messages that TTL or cap
 * deleted before they were acknowledged. Each count starts after the previous one,
 * also that of an earlier reader.
 *
 * With `--durable`, a message is acknowledged after its line is written. So a
 * killed reader gets its unwritten messages again, and its last line maybe twice.
 *
 * It ends after `--count` messages, at `--timeout`, by Ctrl-C or SIGTERM, or when
 * the reader of its output has gone. A timeout exits with 0, or with 1 if it came
 * before `--count` messages.
 *
 * @module
 */

import type { Message } from "../../model/message.ts";
import type { Subscription } from "../../bus/subscription.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { MessageLines } from "../output/message_lines.ts";
import { openBusFor } from "../open.ts";
import { printLineAsync, printToStderr } from "../output/output.ts";
import { SessionNames } from "../session_names.ts";
import { Stop } from "../signals.ts";
import { visibleJson } from "../output/visible_text.ts";

const tail: Command = defineCommand({
  name: "tail",
  details: [
    "It runs until it is stopped. The exit code is 130 after Ctrl-C, 143 after " +
    "SIGTERM, and 1 after a timeout before --count messages.",
    "With --durable, it continues after the last message that a reader with " +
    "that name acknowledged. Each message is acknowledged once it is printed.",
  ],
  examples: [
    "tail state",
    "tail state task_broadcast --from start --json",
    "tail build.results --durable ci --count 1 --timeout 5m",
  ],
  exitCodes: {
    1: "The timeout came before --count messages",
    130: "Ended by Ctrl-C",
    143: "Ended by SIGTERM",
  },
  json: [{ object: "message" }, {
    when: "with --durable, for expired messages",
    fields: ["lost", "durable"],
  }],
  positionals: [{
    name: "CHANNEL",
    help: "Channels to read",
    default: "all",
    optional: true,
    repeated: true,
  }],
  options: {
    from: {
      kind: "string",
      placeholder: "now|start|ID",
      help: "Start position: now, start, or a message id",
      default: "now",
    },
    count: {
      kind: "integer",
      short: "n",
      min: 1,
      placeholder: "N",
      help: "Number of messages to end after",
      default: "no limit",
    },
    timeout: {
      kind: "duration",
      placeholder: "TIME",
      help: "Time to end after, such as 5s or 2m",
      default: "none",
    },
    durable: {
      kind: "string",
      placeholder: "NAME",
      help: "Durable name that keeps the position for the next reader",
    },
  },
  async run({ positionals, options }) {
    using stop = new Stop(options.timeout);
    await using opened = await openBusFor(options);
    const { durable, json } = options;
    // Printed between lines, never inside of one.
    let lost = 0;
    const messages = opened.bus.subscribe(
      positionals.length === 0 ? null : positionals,
      {
        from: options.from,
        durable,
        onLost: (count) => lost += count,
        allProjects: options["all-projects"],
        signal: stop.signal,
      },
    );
    const printLostSoFar = async (): Promise<void> => {
      const count = lost;
      lost = 0;
      if (count > 0) await printLost(count, durable!, json);
    };
    const names = new SessionNames(opened.bus, options.long);
    const lines = new MessageLines({
      isLive: true,
      shown: (id) => names.shown(id),
    });
    const print = async (message: Message): Promise<void> => {
      await printLostSoFar();
      await names.learnFrom([message]);
      await printLineAsync(
        json ? visibleJson(names.named(message)) : lines.render(message),
      );
      if (durable !== undefined) await messages.ack(message);
    };
    const count = await printAll(messages, options.count, stop, print);
    await printLostSoFar();
    if (stop.reason === undefined || count === options.count) return EXIT.done;
    if (stop.reason !== "timeout") return stop.reason.exitCode;
    return options.count === undefined ? EXIT.done : EXIT.refused;
  },
});

export default tail;

/** Prints until `max` messages or until `stop` aborts; returns their number. */
async function printAll(
  messages: Subscription,
  max: number | undefined,
  stop: Stop,
  print: (message: Message) => Promise<void>,
): Promise<number> {
  let count = 0;
  const stopped = new Promise<"stopped">((resolve) => {
    stop.signal.addEventListener("abort", () => resolve("stopped"));
  });
  try {
    for await (const message of messages) {
      // A reader that does not read must not delay the end.
      const printed = await Promise.race([print(message), stopped]);
      if (printed === "stopped") break;
      if (++count === max) break;
    }
  } catch (error) {
    if (error !== stop.signal.reason || !stop.signal.aborted) throw error;
  }
  return count;
}

async function printLost(
  count: number,
  durable: string,
  json: boolean,
): Promise<void> {
  if (json) await printLineAsync(visibleJson({ lost: count, durable }));
  else {
    printToStderr(
      count === 1
        ? `mbus: 1 message for "${durable}" expired before it was read.`
        : `mbus: ${count} messages for "${durable}" expired before they were read.`,
    );
  }
}
