/**
 * Locks and tasks in process, against bare statements that insert a row and
 * delete it, the minimum of any stored lease.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { benchBus, benchFolder } from "./bench_bus.ts";

const folder = benchFolder();
const bus = await benchBus(`${folder}/bus`);
const held = await bus.locks.acquire("src/held.ts");

const db = new DatabaseSync(`${folder}/bare.db`);
db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
  CREATE TABLE leases (path TEXT PRIMARY KEY, session TEXT) WITHOUT ROWID`);
const insert = db.prepare("INSERT INTO leases VALUES (?, ?)");
const remove = db.prepare("DELETE FROM leases WHERE path = ?");
let task = 0;

Deno.bench(
  "bare insert, bare delete",
  { group: "lock", baseline: true },
  () => {
    insert.run("src/a.ts", "bench");
    remove.run("src/a.ts");
  },
);
Deno.bench("acquire and release, advisory", { group: "lock" }, async () => {
  await using _ = await bus.locks.acquire("src/a.ts");
});
Deno.bench("acquire and release, exclusive", { group: "lock" }, async () => {
  await using _ = await bus.locks.acquire("src/a.ts", { type: "exclusive" });
});
Deno.bench("acquire a held file", { group: "lock" }, async () => {
  await using _ = await bus.locks.acquire("src/held.ts");
});
Deno.bench("renew", { group: "lock" }, async () => {
  await held.renew();
});
Deno.bench("holders of a file", { group: "lock" }, async () => {
  await bus.locks.holders("src/held.ts");
});

Deno.bench(
  "bare insert, bare delete",
  { group: "task", baseline: true },
  () => {
    insert.run("T-1", "bench");
    remove.run("T-1");
  },
);
Deno.bench("post, claim and complete", { group: "task" }, async () => {
  const id = `T-${task++}`;
  await bus.tasks.post({ id, title: "write the parser" });
  await bus.tasks.complete(await bus.tasks.claim(id));
});
