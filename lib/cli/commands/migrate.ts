/**
 * `mbus migrate`: updates the schema of the bus, or lists the steps.
 *
 * JSON: `{ location, version, pending, applied }`: the version afterwards, and the
 * purposes of pending and applied steps.
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
  details: [
    "Each command that opens a bus creates or migrates its schema, if it may. " +
    "On a server, a role with more privileges can run this command instead. " +
    "The role of the sessions then needs privileges on the schema only.",
  ],
  examples: ["migrate --dry-run"],
  json: [{ fields: ["location", "version", "pending", "applied"] }],
  positionals: [],
  options: {
    "dry-run": {
      kind: "flag",
      short: "n",
      help: "List the steps without running them",
    },
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
  for (const purpose of pending) printLine(`Pending: ${purpose}.`);
  if (pending.length === 0) {
    printLine(`${visible(location)} is up to date: version ${version}.`);
  }
}
