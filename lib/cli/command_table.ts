/**
 * Table of the commands: the group, the summary and the aliases of each.
 *
 * The overview needs only this table, so it loads no command. The options,
 * arguments and examples of a command are in its declaration, in its own file.
 *
 * A subcommand has a row of its own, under both words of its name.
 *
 * @module
 */

/** Groups of the overview, in its order, with their headings. */
export const GROUPS = {
  see: "See what is going on",
  talk: "Talk",
  files: "Files",
  tasks: "Tasks",
  setup: "Set up",
  scripts: "For scripts",
} as const;

/** Name of a group. */
export type GroupName = keyof typeof GROUPS;

/** A row of the table. */
export interface CommandRow {
  /** Group of the overview. */
  readonly group: GroupName;
  /** Summary of at most 50 characters: a verb and an object. */
  readonly summary: string;
  /** Further names; for a subcommand, further second words (default: none). */
  readonly aliases?: readonly string[];
}

/** Rows by the names of their commands, in the order of the help. */
export const COMMAND_TABLE = {
  sessions: {
    group: "see",
    summary: "List sessions and what each does",
    aliases: ["ls", "ps", "session"],
  },
  status: { group: "see", summary: "Say what this session does, or show it" },
  who: { group: "see", summary: "List the sessions that use a file" },
  whoami: { group: "see", summary: "Print the session that you act for" },
  name: { group: "see", summary: "Print or choose the name of this session" },

  tell: { group: "talk", summary: "Write to a session, or to all" },
  ask: { group: "talk", summary: "Ask a session and print its answer" },
  inbox: { group: "talk", summary: "Print direct messages to this session" },
  reply: { group: "talk", summary: "Reply to the sender of a message" },
  sent: {
    group: "talk",
    summary: "List your direct messages and their states",
  },
  follow: {
    group: "talk",
    summary: "Follow channels, or list the followed ones",
  },

  lock: { group: "files", summary: "Lock files, folders, globs or @names" },
  unlock: { group: "files", summary: "Release locks of this session" },
  locks: { group: "files", summary: "List locks with their holders" },
  "with-lock": { group: "files", summary: "Hold locks while a command runs" },
  guard: { group: "files", summary: "Keep locked files out of git commits" },
  "guard install": {
    group: "files",
    summary: "Install the guard in this repository's hooks",
  },
  "guard status": {
    group: "files",
    summary: "Show whether git runs the guard",
  },
  "guard remove": {
    group: "files",
    summary: "Remove the guard from this repository's hooks",
  },
  "guard check": {
    group: "files",
    summary: "Check staged files for locks of other sessions",
  },

  task: {
    group: "tasks",
    summary: "Post, claim and finish tasks",
    aliases: ["tasks"],
  },
  "task post": {
    group: "tasks",
    summary: "Post a task and print its id",
    aliases: ["add"],
  },
  "task edit": { group: "tasks", summary: "Change an open task" },
  "task cancel": {
    group: "tasks",
    summary: "Cancel a task that has not ended",
  },
  "task claim": { group: "tasks", summary: "Claim a task for this session" },
  "task next": { group: "tasks", summary: "Claim the next free task" },
  "task renew": { group: "tasks", summary: "Extend the claim on a task" },
  "task done": { group: "tasks", summary: "Complete a claimed task" },
  "task fail": { group: "tasks", summary: "End a claimed task as failed" },
  "task release": {
    group: "tasks",
    summary: "Return a claimed task to the queue",
  },
  "task list": {
    group: "tasks",
    summary: "List tasks with their holders",
    aliases: ["ls"],
  },
  "task show": { group: "tasks", summary: "Print all fields of a task" },

  install: { group: "setup", summary: "Connect coding agents to the bus" },
  uninstall: {
    group: "setup",
    summary: "Disconnect coding agents from the bus",
  },
  doctor: { group: "setup", summary: "Check the bus and print remedies" },
  completion: {
    group: "setup",
    summary: "Print a script that completes mbus with Tab",
  },
  help: { group: "setup", summary: "Show the help of mbus or of one command" },

  send: { group: "scripts", summary: "Publish a message on a channel" },
  tail: { group: "scripts", summary: "Print messages as they arrive" },
  unfollow: { group: "scripts", summary: "Stop following channels" },
  poll: {
    group: "scripts",
    summary: "Print the stored messages of a channel",
  },
  register: {
    group: "scripts",
    summary: "Register this session and print its name",
  },
  end: {
    group: "scripts",
    summary: "End this session and release its locks",
  },
  statusline: {
    group: "scripts",
    summary: "Print one line for a status line",
  },
  init: { group: "scripts", summary: "Create the bus and print its folder" },
  stats: { group: "scripts", summary: "Print the size of the bus" },
  purge: {
    group: "scripts",
    summary: "Delete expired messages and old sessions",
  },
  migrate: { group: "scripts", summary: "Update the schema of the bus" },
  hub: {
    group: "scripts",
    summary: "Run this host's notification relay (PostgreSQL)",
  },
  hook: { group: "scripts", summary: "Respond to a hook of a coding agent" },
  version: { group: "scripts", summary: "Print the version" },
} as const satisfies Readonly<Record<string, CommandRow>>;

/** Name of a command or of a subcommand. */
export type CommandName = keyof typeof COMMAND_TABLE;

/** Name of a command without those of subcommands. */
export type TopName = Exclude<CommandName, `${string} ${string}`>;

/** Returns the row of a command. */
export function rowOf(name: CommandName): CommandRow {
  return COMMAND_TABLE[name];
}

/** Returns the names of the commands, or of the subcommands of a group. */
export function namesIn(group?: string): CommandName[] {
  return (Object.keys(COMMAND_TABLE) as CommandName[]).filter((name) =>
    group === undefined ? !name.includes(" ") : name.startsWith(`${group} `)
  );
}

/** Returns the last word of a command's name. */
export function wordOf(name: CommandName): string {
  return name.slice(name.indexOf(" ") + 1);
}

/**
 * Returns the word that a command is declared under, by its name or an alias;
 * undefined if no command has it.
 *
 * @param group Command whose subcommand is meant (default: none).
 */
export function declaredWord(word: string, group?: string): string | undefined {
  const name = namesIn(group).find((name) =>
    wordOf(name) === word || rowOf(name).aliases?.includes(word)
  );
  return name && wordOf(name);
}

/** Returns `Did you mean "send"? ` with a space, or "" if no name is near. */
export async function suggestCommand(
  word: string,
  group?: string,
): Promise<string> {
  const { didYouMean } = await import("../text/spelling.ts");
  const words = namesIn(group).flatMap((name) => [
    wordOf(name),
    ...rowOf(name).aliases ?? [],
  ]);
  return didYouMean(word, words);
}
