/**
 * `mbus migrate`: brings the schema of a bus up to date, or shows what that
 * takes.
 *
 * JSON: `{ location, version, pending, applied }`: the version of the schema
 * afterwards, and what each step does that is still to be done or was done.
 *
 * @module
 */

import { openOperations } from "../../store/open.ts";
import { type ResolvedOptions, resolveOptions } from "../../bus/options.ts";
import { SCHEMA_VERSION } from "../../sqlite/schema_version.ts";
import { storePlace } from "../../store/url.ts";
import { warn } from "../acting.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { printJson, printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

/** How a schema stands. */
interface Outcome {
  readonly location: string;
  readonly version: number;
  readonly pending: readonly string[];
  readonly applied: readonly string[];
}

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
    const place = storePlace(resolved);
    const outcome = place.kind === "postgres"
      ? await migrateServer(place.url, resolved, options["dry-run"])
      : await migrateFile(resolved);
    if (options.json) printJson({ ...outcome });
    else print(outcome);
    return EXIT.done;
  },
});

export default migrate;

async function migrateServer(
  url: string,
  { busyTimeoutMs }: ResolvedOptions,
  dryRun: boolean,
): Promise<Outcome> {
  const { Upkeep } = await import("../../postgres/upkeep.ts");
  await using upkeep = new Upkeep(url, busyTimeoutMs);
  const applied = dryRun ? [] : await upkeep.migrate();
  const { state, pending } = await upkeep.schema();
  const { location } = upkeep;
  return {
    location,
    version: state.version,
    pending: pending.map(({ purpose }) => purpose),
    applied: applied.map(({ purpose }) => purpose),
  };
}

/** A file is brought up to date by opening it. */
async function migrateFile(resolved: ResolvedOptions): Promise<Outcome> {
  await using store = await openOperations(resolved);
  const { location } = store;
  return { location, version: SCHEMA_VERSION, pending: [], applied: [] };
}

function print({ location, version, pending, applied }: Outcome): void {
  for (const purpose of applied) printLine(`Done: ${purpose}.`);
  for (const purpose of pending) printLine(`To be done: ${purpose}.`);
  if (pending.length === 0) {
    printLine(`${visible(location)} is up to date, at version ${version}.`);
  }
}
