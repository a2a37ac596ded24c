/**
 * `mbus migrate`: brings the schema of a bus up to date, or shows what that
 * takes.
 *
 * JSON: `{ location, version, pending, applied }`: the version of the schema
 * afterwards, and what each step does that is still to be done or was done.
 *
 * @module
 */

import { resolveOptions } from "../../bus/options.ts";
import { type SchemaReport, storePlace } from "../../store/place.ts";
import { warn } from "../current_session.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { printJson, printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const migrate: Command = defineCommand({
  name: "migrate",
  summary: "Bring the schema of the bus up to date",
  details: [
    "Whoever opens a bus makes or migrates its schema, if it may. With a server " +
    "that can be left to a role with more rights: it runs this, and the " +
    "sessions' role then needs none but those on the schema.",
  ],
  examples: ["migrate --dry-run"],
  positionals: [],
  options: {
    "dry-run": { kind: "flag", help: "Only show what would be done" },
  },
  async run({ options }) {
    const resolved = resolveOptions({
      home: options.home,
      warn: (text: string): void => warn(text, options.json),
    });
    const report = await storePlace(resolved)
      .migrate(resolved, options["dry-run"]);
    if (options.json) printJson({ ...report });
    else print(report);
    return EXIT.done;
  },
});

export default migrate;

function print({ location, version, pending, applied }: SchemaReport): void {
  for (const purpose of applied) printLine(`Done: ${purpose}.`);
  for (const purpose of pending) printLine(`To be done: ${purpose}.`);
  if (pending.length === 0) {
    printLine(`${visible(location)} is up to date, at version ${version}.`);
  }
}
