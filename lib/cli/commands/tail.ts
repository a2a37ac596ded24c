/**
 * `mbus tail`: prints messages as they come.
 *
 * JSON: a line for each message,
 * `{ id, sender, channel, payload, createdAt, expiresAt, project?, to?, replyTo? }`,
 * and, under a durable name, `{ lost, durable }` where TTL or cap took
 * messages before they were acknowledged: each count is of what was lost since
 * the one before it, also of an earlier reader.
 *
 * Under a durable name a message is acknowledged after its line was written:
 * what a killed reader had not written comes again, and the last line it wrote
 * may come twice.
 *
 * It ends with `--count` messages, at `--timeout`, by Ctrl-C or SIGTERM, and
 * when the reader of its output has gone. A timeout is what was asked for (0),
 * unless `--count` was asked for, too, and not reached (1).
 *
 * @module
 */

import type { Message } from "../../model/message.ts";
import type { Subscription } from "../../bus/subscription.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { MessageLines } from "../output/message_lines.ts";
import { openBusFor } from "../open.ts";
import { printLineAsync, printToStderr } from "../output/output.ts";
import { Stop } from "../signals.ts";
import { visibleJson } from "../output/visible_text.ts";

const tail: Command = defineCommand({
  name: "tail",
  summary: "Print messages as they come",
  details: [
    "Without a channel it prints all of them. It runs until it is ended, by " +
    "default; Ctrl-C ends it with exit code 130, SIGTERM with 143, a timeout " +
    "before --count messages came with 1.",
    "With --durable it goes on where the reader before it, under the same " +
    "name, had acknowledged: each message is acknowledged after it was printed.",
  ],
  examples: [
    "tail state",
    "tail state task_broadcast --from start --json",
    "tail build.results --durable ci --count 1 --timeout 5m",
  ],
  positionals: [{
    name: "CHANNEL",
    help: "The channels to read (else all)",
    optional: true,
    repeated: true,
  }],
  options: {
    from: {
      kind: "string",
      placeholder: "now|start|ID",
      help: "Where to begin: with what comes, with all kept, after a message",
    },
    count: {
      kind: "integer",
      least: 1,
      placeholder: "N",
      help: "End after so many messages",
    },
    timeout: {
      kind: "duration",
      placeholder: "TIME",
      help: "End after this time: 5s, 2m",
    },
    durable: {
      kind: "string",
      placeholder: "NAME",
      help: "Keep what was read under this name, and go on from there",
    },
  },
  async run({ positionals, options }) {
    using stop = new Stop(options.timeout);
    await using opened = await openBusFor(options);
    const { durable, json } = options;
    // Told between the lines, never inside of one.
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
    const tellLost = async (): Promise<void> => {
      const count = lost;
      lost = 0;
      if (count > 0) await printLost(count, durable!, json);
    };
    const lines = new MessageLines();
    const print = async (message: Message): Promise<void> => {
      await tellLost();
      await printLineAsync(
        json ? visibleJson(message) : lines.render(message),
      );
      if (durable !== undefined) await messages.ack(message);
    };
    const count = await printAll(messages, options.count, stop, print);
    await tellLost();
    if (stop.reason === undefined || count === options.count) return EXIT.done;
    if (stop.reason !== "timeout") return stop.reason.exitCode;
    return options.count === undefined ? EXIT.done : EXIT.refused;
  },
});

export default tail;

/** Prints until there were enough or it must stop; returns how many. */
async function printAll(
  messages: Subscription,
  enough: number | undefined,
  stop: Stop,
  print: (message: Message) => Promise<void>,
): Promise<number> {
  let count = 0;
  const stopped = new Promise<"stopped">((resolve) => {
    stop.signal.addEventListener("abort", () => resolve("stopped"));
  });
  try {
    for await (const message of messages) {
      // A reader that does not read must not keep us from ending.
      const printed = await Promise.race([print(message), stopped]);
      if (printed === "stopped") break;
      if (++count === enough) break;
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
        ? `mbus: 1 message for "${durable}" was over before it was read.`
        : `mbus: ${count} messages for "${durable}" were over before they were read.`,
    );
  }
}
