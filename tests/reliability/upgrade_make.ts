/**
 * Makes the committed database of the present schema, once for each version:
 * `deno run -A tests/reliability/upgrade_make.ts`.
 *
 * The database has rows of every kind that do not expire before 2200.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath, openBus } from "../../mod.ts";
import { SCHEMA_VERSION } from "../../lib/sqlite/schema_version.ts";

const FOLDER = new URL("./upgrade/", import.meta.url);

// A creation time in the future, so that no row is expired now.
const MADE_AT = Date.UTC(2200, 0);

async function make(folder: string): Promise<Uint8Array<ArrayBuffer>> {
  const home = `${folder}/bus`;
  await using bus = await openBus({
    home,
    project: "/kept",
    session: "keeper",
    now: () => MADE_AT,
  });
  await bus.sessions.register({ model: "m", task: "T", branch: "b" });
  const reader = bus.subscribe("kept", { durable: "name" });
  await reader.ready;
  await bus.publishMany([1, 2, 3].map((n) => ({
    channel: "kept",
    payload: { n },
  })));
  const { value } = await reader.next();
  await reader.ack(value!);
  await reader.close();
  await bus.publish("kept", "direct", { to: "keeper" });
  await bus.locks.acquire("/kept/exclusive", { type: "exclusive", why: "w" });
  await bus.locks.acquire("/kept/{a,b}/**", { type: "advisory" });
  await bus.tasks.post({ id: "open", title: "open", payload: [1] });
  await bus.tasks.post({ id: "later", title: "later", dependsOn: ["open"] });
  await bus.tasks.post({ id: "done", title: "done" });
  await bus.tasks.complete(await bus.tasks.claim("done"), { ok: true });
  using database = new DatabaseSync(getMessagingDbPath(home));
  const file = `${folder}/copy.db`;
  database.exec(`VACUUM INTO '${file}'`);
  using copy = new DatabaseSync(file);
  copy.exec(`
    PRAGMA journal_mode=WAL;
    DELETE FROM bells;
    UPDATE session_registry SET pid = NULL, host = NULL, process_start = NULL;
    UPDATE durable_names SET reader_host = NULL, reader_pid = NULL;
    PRAGMA wal_checkpoint(TRUNCATE);`);
  copy.close();
  return Deno.readFileSync(file);
}

if (import.meta.main) {
  const folder = Deno.makeTempDirSync();
  const bytes = new Blob([await make(folder)]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  Deno.mkdirSync(FOLDER, { recursive: true });
  await Deno.writeFile(new URL(`v${SCHEMA_VERSION}.db.gz`, FOLDER), bytes);
  await Deno.remove(folder, { recursive: true });
}
