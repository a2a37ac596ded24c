/**
 * Pages of the help that explain no command: first steps, the guide for agents,
 * exit codes and the environment.
 *
 * @module
 */

import { EXIT } from "./declaration.ts";
import { wrapped } from "./overview.ts";
import { tableLines } from "./output/table.ts";

/** Meanings of the exit codes of every command. */
export const EXIT_CODES: Readonly<Record<number, string>> = {
  [EXIT.done]: "Done",
  [EXIT.refused]: "Refused by the current state, such as another lock",
  [EXIT.usage]: "Wrong usage or input: the same call fails again",
  [EXIT.unusable]: "The bus cannot be used, or an internal error",
  130: "Ended by Ctrl-C, after locks were released",
  143: "Ended by SIGTERM, after locks were released",
};

/** Variables that mbus reads, with their meanings. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  MBUS_HOME: "Bus folder, an absolute path (default: " +
    "$CODITECT_HOME/message-bus, or the platform's folder for state)",
  MBUS_URL: "PostgreSQL server to use instead of the file, as a URL",
  MBUS_SESSION: "Session that commands act for (default: detected)",
  MBUS_NAME: "Name of a new session, unless a living session has it",
  MBUS_WITHIN: "Sessions whose locks do not conflict, set by mbus with-lock",
  MBUS_HUB: "Folder in which sessions find mbus hub",
  MBUS_ALLOW_NETWORK_FS:
    "1 permits a bus on a network file system, where data can be lost",
  MBUS_SQLITE_DRIVER: "node (default), or ffi for @db/sqlite in a program " +
    "that can load it",
  MBUS_POPULATE_CODE_CACHE: "1 fills the runtime's code cache at the exit, " +
    "set by the installation",
  NO_COLOR: "Print without colours",
};

/** Returns a page of the help, as lines. */
export async function topicLines(topic: string): Promise<string[]> {
  switch (topic) {
    case "agent": {
      const { GUIDE } = await import("../install/agents/guide.ts");
      return GUIDE.trimEnd().split("\n").flatMap(wrapped);
    }
    case "exit-codes":
      return [
        ...wrapped("Exit codes of every command"),
        "",
        ...pairLines(EXIT_CODES),
        "",
        ...wrapped(
          "mbus with-lock exits with the code of the command that it runs. " +
            "mbus help COMMAND lists the codes of one command.",
        ),
      ];
    case "env":
      return [
        ...wrapped("Variables that mbus reads"),
        "",
        ...pairLines(ENVIRONMENT),
      ];
    default:
      return START.flatMap(wrapped);
  }
}

/** Returns names and texts as the lines of a table. */
export function pairLines(
  pairs: Readonly<Record<string, string>>,
): string[] {
  return tableLines(
    [{}, { isProse: true }],
    Object.entries(pairs).map(([name, text]) => [
      { text: `  ${name}` },
      { text },
    ]),
  );
}

const START = [
  "First steps with mbus",
  "",
  "1. Connect your agents. Each change is shown before it is written:",
  "     mbus install --list",
  "     mbus install claude codex",
  "2. Check the result. Each problem comes with its remedy:",
  "     mbus doctor",
  "3. Start two agents in one project, and look at them:",
  "     mbus sessions",
  "4. Lock a file. An agent that edits it is told who holds it, and why:",
  "     mbus lock src/a.ts --exclusive -m 'renaming Token'",
  "     mbus locks",
  "     mbus unlock src/a.ts",
  "5. Ask an agent. The answer is printed here:",
  "     mbus ask codex-7f3a 'may I have src/b.ts?' --timeout 2m",
  "6. Complete commands, sessions and locks with Tab:",
  "     mbus completion bash",
  "",
  "mbus help lists all commands, and mbus help COMMAND explains one.",
];
