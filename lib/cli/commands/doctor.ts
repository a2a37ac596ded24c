/**
 * `mbus doctor`: says whether the bus can be used here, and what to do if not.
 *
 * It makes no bus, registers nobody, and works on a broken one. Exit code 0 if
 * the bus can be used, whatever the warnings; 3 if not.
 *
 * JSON: a line for each check: `{ check, status, message, remedy? }` with a
 * `status` of `ok`, `warn` or `fail`.
 *
 * @module
 */

import {
  type FolderPlace,
  type Server,
  storePlace,
} from "../../store/place.ts";
import type { GlobalValues } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { checkCodex } from "../doctor/codex.ts";
import { checkDatabase } from "../doctor/database.ts";
import { failBy, type Finding, ok } from "../doctor/finding.ts";
import { checkGuard } from "../doctor/guard.ts";
import { checkHooks } from "../doctor/hooks.ts";
import { checkHost, checkLibrary, checkWatch } from "../doctor/machine.ts";
import { checkPlace, isOurs } from "../doctor/place.ts";
import { checkSettings } from "../doctor/settings.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { type Cell, rowLines } from "../output/table.ts";
import type { Paint } from "../output/terminal.ts";
import { textWidth } from "../output/text_width.ts";
import { visible } from "../output/visible_text.ts";

const doctor: Command = defineCommand({
  name: "doctor",
  summary: "Say whether the bus can be used here, and what to do if not",
  details: [
    "It changes nothing. Exit code 0 if the bus can be used, 3 if not.",
  ],
  positionals: [],
  options: {},
  async run({ options }) {
    const place = storePlace({ home: options.home });
    let usable = true;
    const findings = place.server === undefined
      ? examineFolder(place, options)
      : examineServer(place.server, options);
    for await (const finding of findings) {
      if (finding.status === "fail") usable = false;
      if (options.json) printJson(finding);
      else printFinding(finding);
    }
    if (!options.json) {
      printLine("");
      printLine(
        usable ? "The bus can be used." : "The bus cannot be used as it is.",
      );
    }
    return usable ? EXIT.done : EXIT.unusable;
  },
});

export default doctor;

// Somebody waits for the report.
const ANSWER_MS_MAX = 5_000;

async function* examineFolder(
  { location }: FolderPlace,
  options: GlobalValues,
): AsyncGenerator<Finding> {
  yield ok("runtime", `Deno ${Deno.version.deno} on ${Deno.build.target}`);
  const { findings, library } = await checkLibrary();
  yield* findings;
  yield* checkHost();
  const place = checkPlace(location);
  yield* place;
  yield* checkSettings();
  // Where others could have a hand nothing is read, opened or watched.
  if (!isOurs(location)) return;
  yield await checkWatch(location.bellsFolder);
  yield* checkHooks(location.home);
  yield* await checkGuard();
  if (library === undefined) return;
  const database = await checkDatabase(location, library);
  yield* database;
  // Only a sound bus is opened as all commands do; that would make a new one.
  const sound = database.every(({ check, status }) =>
    status !== "fail" && (check !== "database" || status === "ok")
  );
  if (sound) yield* await whoIsHere(options);
}

async function* examineServer(
  server: Server,
  options: GlobalValues,
): AsyncGenerator<Finding> {
  yield ok("runtime", `Deno ${Deno.version.deno} on ${Deno.build.target}`);
  yield* checkHost();
  yield* await checkGuard();
  const { checkServer } = await import("../doctor/server.ts");
  let findings: Finding[];
  {
    await using admin = await server.admin(ANSWER_MS_MAX);
    findings = await checkServer(admin);
  }
  yield* findings;
  const sound = findings.every(({ check, status }) =>
    status !== "fail" && (check !== "schema" || status === "ok")
  );
  if (sound) yield* await whoIsHere(options);
}

async function whoIsHere(options: GlobalValues): Promise<Finding[]> {
  try {
    await using opened = await openBusFor(options);
    const { id, joined, because } = opened.identity;
    const state = joined === undefined ? "not registered yet" : joined.vendor;
    const sessions = await opened.bus.sessions.list({ allProjects: true });
    return [
      ok("session", `${id} (${state}), as ${because}`),
      ...checkCodex(sessions),
    ];
  } catch (error) {
    return [failBy("session", error)];
  }
}

const PAINTS: Readonly<Record<Finding["status"], Paint>> = {
  ok: "green",
  warn: "yellow",
  fail: "red",
};

function printFinding({ check, status, message, remedy }: Finding): void {
  const columns = [{}, {}, { isProse: true }];
  const printRow = (...cells: Cell[]): void => {
    const widths = [4, 11, textWidth(cells[2].text)];
    rowLines(columns, widths, cells).forEach(printLine);
  };
  printRow(
    { text: status, paint: PAINTS[status] },
    { text: check },
    { text: visible(message) },
  );
  if (remedy === undefined) return;
  printRow({ text: "" }, { text: "" }, { text: `→ ${visible(remedy)}` });
}
