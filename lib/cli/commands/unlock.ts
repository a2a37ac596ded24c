/**
 * `mbus unlock`: gives back what this session holds, however often it was
 * taken, and grants it to who waits.
 *
 * Nothing is given back if one of the paths is not held, or not under the
 * token that was named.
 *
 * JSON: a line for each lock that was given back: `{ path, token, session,
 * released: true }`.
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
  summary: "Give locks of this session back",
  details: [
    "A path must be written so that it means what was locked: the folder for a " +
    "folder, the same glob for a glob.",
  ],
  examples: ["unlock src/a.ts", "unlock @git/head", "unlock --all"],
  positionals: [{
    name: "PATH",
    help: "What was locked",
    optional: true,
    repeated: true,
  }],
  options: {
    all: { kind: "flag", help: "All that the session holds, in every project" },
    token: {
      kind: "integer",
      least: 1,
      placeholder: "N",
      help: "Only if it is still held under this token",
    },
    ...PATTERN_OPTIONS,
  },
  async run({ positionals, options }) {
    const { all, token, json } = options;
    if (all === positionals.length > 0) {
      throw new UsageError(
        "path",
        all
          ? `Cannot unlock: --all and paths exclude each other; write one of them.`
          : `Cannot unlock: no path is given; write "mbus unlock PATH", or --all.`,
      );
    }
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const holds = all
      ? await bus.locks.held()
      : await heldOn(bus, positionals, token, { pattern: patternOf(options) });
    await bus.locks.releaseHolds(holds);
    for (const { path, token, session } of holds) {
      if (json) printJson({ path, token, session, released: true });
      else printLine(`Released ${visible(shownPath(path))}.`);
    }
    if (holds.length === 0 && !json) printLine("Nothing was held.");
    return EXIT.done;
  },
});

export default unlock;

/** What the session holds on each path; nothing is refused later. */
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
