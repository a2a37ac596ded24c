/**
 * Which commands there are: a line each, in the order of the help. Their files
 * are loaded only when they are called; the specifiers are literal so that
 * bundlers and `deno compile` see them.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** Loads a command's file. */
export type CommandLoader = () => Promise<{ readonly default: Command }>;

/** The commands by name. */
export const COMMANDS: Readonly<Record<string, CommandLoader>> = {
  init: () => import("./init.ts"),
  send: () => import("./send.ts"),
  tail: () => import("./tail.ts"),
  poll: () => import("./poll.ts"),
  sessions: () => import("./sessions.ts"),
  register: () => import("./register.ts"),
  end: () => import("./end.ts"),
  purge: () => import("./purge.ts"),
  stats: () => import("./stats.ts"),
  lock: () => import("./lock.ts"),
  unlock: () => import("./unlock.ts"),
  locks: () => import("./locks.ts"),
  "with-lock": () => import("./with_lock.ts"),
  task: () => import("./task.ts"),
  inbox: () => import("./inbox.ts"),
  ask: () => import("./ask.ts"),
  reply: () => import("./reply.ts"),
  who: () => import("./who.ts"),
  guard: () => import("./guard.ts"),
  hook: () => import("./hook.ts"),
  install: () => import("./install.ts"),
  uninstall: () => import("./uninstall.ts"),
  migrate: () => import("./migrate.ts"),
  hub: () => import("./hub.ts"),
  doctor: () => import("./doctor.ts"),
  help: () => import("./help.ts"),
};
