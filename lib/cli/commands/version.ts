/**
 * `mbus version`: prints the version.
 *
 * @module
 */

import { type Command, defineCommand } from "../command.ts";
import { printVersion } from "../version.ts";

const version: Command = defineCommand({
  name: "version",
  examples: ["version"],
  json: [{ fields: ["name", "version", "deno"] }],
  positionals: [],
  options: {},
  // deno-lint-ignore require-await -- printing needs no promise.
  async run({ options }) {
    return printVersion(options.json);
  },
});

export default version;
