/**
 * `mbus doctor`: checks whether the bus is usable, and prints remedies.
 *
 * It creates no bus, registers no session, and runs on a broken bus. Exit code 0
 * if the bus is usable, also with warnings, else 3.
 *
 * JSON, one line per check: `{ check, status, message, remedy? }` with a `status`
 * of `ok`, `warn` or `fail`.
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
import { checkPlace, isUsable } from "../doctor/place.ts";
import { checkSettings } from "../doctor/settings.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { type Cell, rowLines } from "../output/table.ts";
import type { Paint } from "../output/terminal.ts";
import { textWidth } from "../output/text_width.ts";
import { visible } from "../output/visible_text.ts";

const doctor: Command = defineCommand({
  name: "doctor",
  details: [
    "It changes nothing. Exit code 0 means that the bus is usable, 3 that it is " +
    "not.",
  ],
  exitCodes: { 3: "The bus is not usable" },
  json: [{ fields: ["check", "status", "message", "remedy?"] }],
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
        usable ? "The bus is usable." : "The bus is not usable.",
      );
    }
    return usable ? EXIT.done : EXIT.unusable;
  },
});

export default doctor;

const ANSWER_MS_MAX = 5_000;

async function* examineFolder(
  place: FolderPlace,
  options: GlobalValues,
): AsyncGenerator<Finding> {
  yield ok("runtime", `Deno ${Deno.version.deno} on ${Deno.build.target}`);
  const { findings, library } = await checkLibrary();
  yield* findings;
  yield* checkHost();
  let location: FolderPlace["location"];
  try {
    location = place.location;
  } catch (error) {
    yield failBy("folder", error);
    return;
  }
  yield* checkPlace(location);
  yield* checkSettings();
  // Nothing is read, opened or watched in a place that all other commands refuse.
  if (!isUsable(location)) return;
  yield await checkWatch(location.bellsFolder);
  yield* checkHooks(location.home);
  yield* await checkGuard();
  if (library === undefined) return;
  const database = await checkDatabase(location, library);
  yield* database;
  // Only a healthy bus is opened, because opening creates a missing one.
  const healthy = database.every(({ check, status }) =>
    status !== "fail" && (check !== "database" || status === "ok")
  );
  if (healthy) yield* await checkSession(options);
}

async function* examineServer(
  server: Server,
  options: GlobalValues,
): AsyncGenerator<Finding> {
  yield ok("runtime", `Deno ${Deno.version.deno} on ${Deno.build.target}`);
  yield* checkHost();
  // Hooks log in the bus folder, whichever store they use.
  yield* checkHooks(undefined);
  yield* await checkGuard();
  const { checkServer } = await import("../doctor/server.ts");
  let findings: Finding[];
  {
    await using admin = await server.admin(ANSWER_MS_MAX);
    findings = await checkServer(admin);
  }
  yield* findings;
  const healthy = findings.every(({ check, status }) =>
    status !== "fail" && (check !== "schema" || status === "ok")
  );
  if (healthy) yield* await checkSession(options);
}

async function checkSession(options: GlobalValues): Promise<Finding[]> {
  try {
    await using opened = await openBusFor(options);
    const { id, joined, because } = opened.identity;
    const state = joined === undefined ? "not registered yet" : joined.vendor;
    const sessions = await opened.bus.sessions.list({ allProjects: true });
    return [
      ok("session", `${id} (${state}), because ${because}`),
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
