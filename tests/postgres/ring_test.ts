/**
 * Ringing for a published message: in a second transaction, after the message's
 * commit, by the statement that publishes.
 */

import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { payloadsOf, take, within } from "../fixture.ts";
import type { MessageBus, StoreError } from "../../mod.ts";
import { Database } from "./database.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

// The error of a full notification queue, when a listener does not read.
const FAILS = `RAISE EXCEPTION 'too many notifications in the NOTIFY queue'
  USING ERRCODE = '54000';`;

/** Makes the statement that publishes fail at a point. */
async function failing(
  sql: Sql,
  procedure: string,
  place: "before the commit" | "after the commit",
): Promise<void> {
  const [{ text }] = await sql`SELECT
    pg_get_functiondef(${`message_bus.${procedure}`}::regproc) AS text`;
  const broken = text.replace(
    "COMMIT;",
    place === "before the commit" ? `${FAILS} COMMIT;` : `COMMIT; ${FAILS}`,
  );
  assert.notEqual(broken, text);
  await sql.unsafe(broken);
}

/** The calls that publish, by procedure. */
const WAYS: Readonly<Record<string, (bus: MessageBus) => Promise<unknown>>> = {
  publish_one: (bus) => bus.publish("state", 1),
  publish: (bus) =>
    bus.publishMany([1, 2].map((payload) => ({ channel: "state", payload }))),
};

for (const [procedure, publish] of Object.entries(WAYS)) {
  Deno.test({
    name: `${procedure}: a message whose ring fails in its statement is ` +
      `published once, and rung by a later statement`,
    ignore,
    async fn() {
      await using database = await Database.create(server);
      const bus = await database.open();
      // By notification alone: no poll finds it.
      const reader = await database.open({ pollIntervalMs: 60_000 });
      const messages = reader.subscribe("state");
      await messages.ready;
      await bus.publish("state", 0);
      await take(messages, 1);
      const coming = take(messages, 1);
      // Its last read is answered before this, so it waits for a wake-up.
      await reader.poll("state");
      await failing(database.foreign(), procedure, "after the commit");
      await publish(bus);
      const [first] = await within("the message", coming);
      assert.equal(first.payload, 1);
      const stored = payloadsOf((await bus.poll("state")).messages);
      assert.deepEqual(stored, procedure === "publish" ? [0, 1, 2] : [0, 1]);
      assert.deepEqual(database.warnings, []);
    },
  });

  Deno.test({
    name:
      `${procedure}: a failure before the commit is reported, and stores nothing`,
    ignore,
    async fn() {
      await using database = await Database.create(server);
      const bus = await database.open();
      await failing(database.foreign(), procedure, "before the commit");
      const error: StoreError = await publish(bus)
        .then(() => assert.fail("it was published"), (error) => error);
      assert.equal(error.fault, "full", String(error));
      assert.deepEqual((await bus.poll("state")).messages, []);
    },
  });
}
