/**
 * What any subscriber on SQLite needs of the runtime, and nothing else, in a
 * process of its own: a database in WAL mode, a watch on a small file, and a look
 * every 250 ms; run by idle.ts.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

// By then the bench is over, or was killed.
setTimeout(() => Deno.exit(), 120_000);
const [folder, name] = Deno.args;
const db = new DatabaseSync(`${folder}/${name}.db`);
db.exec("PRAGMA journal_mode=WAL; CREATE TABLE one(value); BEGIN; COMMIT");
const look = db.prepare("PRAGMA data_version");
setInterval(() => look.get(), 250);
// Never in the folder of a database: see wake_ups.ts.
Deno.mkdirSync(`${folder}/bells`, { recursive: true });
Deno.writeTextFileSync(`${folder}/bells/${name}`, "");
for await (const _ of Deno.watchFs(`${folder}/bells/${name}`)) look.get();
