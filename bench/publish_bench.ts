/**
 * Publishing in process against a bare insert: a commit each, WAL,
 * synchronous=NORMAL, without subscriber. Both survive the death of the
 * process.
 *
 * @module
 */

import { benchBus, benchFolder } from "./bench_bus.ts";
import { type Publishable, RawInsert } from "./raw_insert.ts";

const MESSAGE: Publishable = {
  channel: "state",
  payload: { status: "working", file: "src/server/routes.ts" },
};
const BATCH: readonly Publishable[] = Array.from(
  { length: 100 },
  () => MESSAGE,
);

const folder = benchFolder();
const raw = await RawInsert.open(`${folder}/raw`);
const bus = await benchBus(`${folder}/bus`);

Deno.bench("raw insert", { group: "one", baseline: true }, () => {
  raw.one(MESSAGE);
});
Deno.bench("publish", { group: "one" }, async () => {
  await bus.publish(MESSAGE.channel, MESSAGE.payload);
});

Deno.bench("raw inserts", { group: "a hundred", baseline: true }, () => {
  raw.many(BATCH);
});
Deno.bench("publishMany", { group: "a hundred" }, async () => {
  await bus.publishMany(BATCH);
});
Deno.bench("publish, all in one tick", { group: "a hundred" }, async () => {
  await Promise.all(
    BATCH.map(({ channel, payload }) => bus.publish(channel, payload)),
  );
});
