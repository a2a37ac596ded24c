/**
 * A process that always reads: each of its two connections begins a transaction
 * before the other one commits. It ends when stdin ends.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

const readers = [0, 1].map(() => new DatabaseSync(Deno.args[0]));
const begin = "BEGIN; SELECT count(*) FROM inter_session_messages";
let going = true;
(async () => {
  for await (const _ of Deno.stdin.readable);
  going = false;
})();
readers[0].exec(begin);
console.log("reading");
for (let turn = 1; going; turn++) {
  readers[turn % 2].exec(begin);
  readers[(turn + 1) % 2].exec("COMMIT");
  await new Promise((resolve) => setTimeout(resolve, 2));
}
for (const reader of readers) reader.close();
