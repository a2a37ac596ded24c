/**
 * Loaders of the commands that `command_table.ts` lists.
 *
 * A command's file is loaded when it is called. The specifiers are literals
 * because bundlers and `deno compile` must find them.
 *
 * @module
 */

import type { TopName } from "./command_table.ts";
import type { Command } from "./declaration.ts";

/** Loads a command's file. */
export type CommandLoader = () => Promise<{ readonly default: Command }>;

/** Commands by name. */
export const COMMANDS: Readonly<Record<TopName, CommandLoader>> = {
  init: () => import("./commands/init.ts"),
  tell: () => import("./commands/tell.ts"),
  send: () => import("./commands/send.ts"),
  tail: () => import("./commands/tail.ts"),
  poll: () => import("./commands/poll.ts"),
  sessions: () => import("./commands/sessions.ts"),
  status: () => import("./commands/status.ts"),
  statusline: () => import("./commands/statusline.ts"),
  register: () => import("./commands/register.ts"),
  name: () => import("./commands/name.ts"),
  end: () => import("./commands/end.ts"),
  purge: () => import("./commands/purge.ts"),
  stats: () => import("./commands/stats.ts"),
  lock: () => import("./commands/lock.ts"),
  unlock: () => import("./commands/unlock.ts"),
  locks: () => import("./commands/locks.ts"),
  "with-lock": () => import("./commands/with_lock.ts"),
  task: () => import("./commands/task.ts"),
  inbox: () => import("./commands/inbox.ts"),
  sent: () => import("./commands/sent.ts"),
  follow: () => import("./commands/follow.ts"),
  unfollow: () => import("./commands/unfollow.ts"),
  ask: () => import("./commands/ask.ts"),
  reply: () => import("./commands/reply.ts"),
  who: () => import("./commands/who.ts"),
  guard: () => import("./commands/guard.ts"),
  hook: () => import("./commands/hook.ts"),
  install: () => import("./commands/install.ts"),
  uninstall: () => import("./commands/uninstall.ts"),
  migrate: () => import("./commands/migrate.ts"),
  hub: () => import("./commands/hub.ts"),
  doctor: () => import("./commands/doctor.ts"),
  help: () => import("./commands/help.ts"),
  version: () => import("./commands/version.ts"),
  whoami: () => import("./commands/whoami.ts"),
  completion: () => import("./commands/completion.ts"),
};
