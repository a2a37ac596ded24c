/**
 * `mbus unlock`: releases locks of this session, also those it took several times.
 * Waiting sessions get them.
 *
 * No lock is released if a path is not held, or has another token than the named
 * one.
 *
 * JSON, one line per released lock: `{ path, token, session, released: true }`.
 *
 * @module
 */

import type { MessageBus } from "../../bus/bus.ts";
import { NotHeldError } from "../../model/errors.ts";
import type { PathOptions } from "../../bus/locks.ts";
import type { Hold } from "../../model/lock.ts";
import { UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { shownPath } from "../output/hold_lines.ts";
import { openBusToWrite } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { PATTERN_OPTIONS, patternOf } from "../pattern.ts";
import { visible } from "../output/visible_text.ts";

const unlock: Command = defineCommand({
  name: "unlock",
  details: [
    "Name each path as it was locked: the folder for a folder, the same glob " +
    "for a glob.",
  ],
  examples: ["unlock src/a.ts", "unlock @git/head", "unlock --all"],
  exitCodes: { 1: "This session does not hold a path" },
  json: [{ fields: ["path", "token", "session", "released"] }],
  positionals: [{
    name: "PATH",
    help: "Locked file, folder, glob or @name",
    values: "locks",
    optional: true,
    repeated: true,
  }],
  options: {
    all: {
      kind: "flag",
      help: "Release all locks of the session, in every project",
    },
    token: {
      kind: "integer",
      min: 1,
      placeholder: "N",
      help: "Token that the lock must have",
      default: "any",
    },
    quiet: { kind: "flag", short: "q", help: "Print no result" },
    ...PATTERN_OPTIONS,
  },
  async run({ positionals, options }) {
    const { all, token, json, quiet } = options;
    if (all === positionals.length > 0) {
      throw new UsageError(
        "path",
        all
          ? "Cannot unlock the paths: --all and paths exclude each other. Leave " +
            "out one of them."
          : 'Cannot unlock a path: the path is missing. Write "mbus unlock ' +
            'PATH", or --all.',
      );
    }
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const holds = all
      ? await bus.locks.held()
      : await heldOn(bus, positionals, token, { pattern: patternOf(options) });
    await bus.locks.releaseHolds(holds);
    if (quiet) return EXIT.done;
    for (const { path, token, session } of holds) {
      if (json) printJson({ path, token, session, released: true });
      else printLine(`Released ${visible(shownPath(path))}.`);
    }
    if (holds.length === 0 && !json) printLine("This session holds no lock.");
    return EXIT.done;
  },
});

export default unlock;

/**
 * Returns the session's holds on each path, before the first one is released.
 *
 * @throws {NotHeldError} If a path is not held.
 */
async function heldOn(
  bus: MessageBus,
  paths: readonly string[],
  token: number | undefined,
  options: PathOptions,
): Promise<readonly Hold[]> {
  const found = new Map<number, Hold>();
  for (const path of paths) {
    const target = bus.locks.meaning(path, options);
    const held = await bus.locks.held(path, options);
    const meant = held.filter((hold) =>
      token === undefined || hold.token === token
    );
    if (meant.length === 0) {
      throw new NotHeldError("release", target.path, token);
    }
    meant.forEach((hold) => found.set(hold.token, hold));
  }
  return [...found.values()];
}
