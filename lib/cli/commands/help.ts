/**
 * `mbus help`: prints the help, of mbus, of a command or of a topic.
 *
 * @module
 */

import { UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import {
  declaredWord,
  suggestCommand,
  type TopName,
} from "../command_table.ts";
import { COMMANDS } from "../commands.ts";
import { overviewLines, TOPICS } from "../overview.ts";
import { printJson, printLine } from "../output/output.ts";

const help: Command = defineCommand({
  name: "help",
  details: [
    `The topics are ${TOPICS.join(", ")}. The man page is troff: ` +
    `"mbus help --man lock | man -l -" shows it.`,
  ],
  examples: [
    "help",
    "help lock",
    "help task post",
    "help agent",
    "help --man lock",
  ],
  json: [{
    fields: [
      ...["command", "group", "summary", "aliases", "usage", "positionals"],
      ...["options", "details", "examples", "exitCodes", "json"],
    ],
  }, { when: "of a topic", fields: ["topic", "text"] }],
  positionals: [{
    name: "COMMAND",
    help: "Command, such as send or task post, or a topic",
    default: "list all",
    optional: true,
    repeated: true,
    values: "commands",
  }],
  options: {
    all: { kind: "flag", help: "List subcommands and options, too" },
    man: { kind: "flag", help: "Print the man page of mbus or of COMMAND" },
  },
  async run({ positionals: words, options: { all, man, json } }) {
    if (words.length === 0 && !all && !man && !json) {
      overviewLines().forEach(printLine);
      return EXIT.done;
    }
    const [topic] = words;
    if (words.length === 1 && TOPICS.includes(topic)) {
      const { topicLines } = await import("../help_topics.ts");
      const lines = await topicLines(topic);
      if (json) printJson({ topic, text: lines.join("\n") });
      else lines.forEach(printLine);
      return EXIT.done;
    }
    const command = await commandOf(words);
    if (man) {
      const { printManPage } = await import("../man_page.ts");
      return await printManPage(command);
    }
    const { explain, partsOf, printAll, printOverview } = await import(
      "../help.ts"
    );
    if (command !== undefined) {
      return explain(command, json, await partsOf(command));
    }
    return json ? await printOverview(json) : printAll();
  },
});

export default help;

/** Loads the command that the words name; undefined for no words. */
async function commandOf(
  words: readonly string[],
): Promise<Command | undefined> {
  let commands: Command["commands"] = COMMANDS;
  let command: Command | undefined;
  for (const word of words) {
    const declared = declaredWord(word, command?.name);
    if (declared === undefined || commands === undefined) {
      throw new UsageError(
        "command",
        `Cannot show the help of ${JSON.stringify(words.join(" "))}: the ` +
          `command is unknown. ${await suggestCommand(word, command?.name)}` +
          `"mbus help" lists the commands.`,
      );
    }
    command = (await commands[declared as TopName]()).default;
    commands = command.commands;
  }
  return command;
}
