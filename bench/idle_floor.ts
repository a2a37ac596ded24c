/**
 * The minimum of any subscriber on SQLite, in a separate process: a database in
 * WAL mode, a watch on a small file, and a query every 250 ms; run by idle.ts.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

// By then the bench has ended or was killed.
setTimeout(() => Deno.exit(), 120_000);
const [folder, name] = Deno.args;
const db = new DatabaseSync(`${folder}/${name}.db`);
db.exec("PRAGMA journal_mode=WAL; CREATE TABLE one(value); BEGIN; COMMIT");
const look = db.prepare("PRAGMA data_version");
setInterval(() => look.get(), 250);
// Not in the database folder, where a watch can corrupt the database.
Deno.mkdirSync(`${folder}/bells`, { recursive: true });
Deno.writeTextFileSync(`${folder}/bells/${name}`, "");
for await (const _ of Deno.watchFs(`${folder}/bells/${name}`)) look.get();
