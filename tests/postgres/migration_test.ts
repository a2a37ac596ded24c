/**
 * Migration of a schema that an older program created, while the older program
 * continues.
 */

import assert from "node:assert/strict";
import { SessionEndedError } from "../../mod.ts";
import { payloadsOf } from "../fixture.ts";
import { Database } from "./database.ts";
import { toVersion1 } from "./old_schema.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

Deno.test({
  name: "opening migrates a schema of version 1, and older programs continue",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await (await database.open()).close();
    const foreign = database.foreign();
    await toVersion1(foreign);

    // Version 1 appends by a statement that its connection has prepared.
    const older = database.foreign();
    const appendAs = (session: string) =>
      older.unsafe(
        `SELECT message_bus.append_one($1, $2, $3::uuid, $4, $5, $6, $7,
           $8::float8, $9, $10, $11::bigint)::text AS ids`,
        [
          ...[1, 0, crypto.randomUUID(), false, session, "state", "1", 300],
          ...[null, null, null],
        ],
        { prepare: true },
      );
    await appendAs("older");

    const bus = await database.open({ session: "newer" });
    const versions = await foreign`SELECT version, compatible_from
      FROM message_bus._schema_version ORDER BY version`;
    assert.deepEqual(versions.map((row) => ({ ...row })), [
      { version: 1, compatible_from: 1 },
      { version: 2, compatible_from: 1 },
      { version: 3, compatible_from: 1 },
      { version: 4, compatible_from: 1 },
      { version: 5, compatible_from: 1 },
      { version: 6, compatible_from: 1 },
    ]);
    await bus.sessions.register();
    await bus.sessions.update({ activity: { state: "working" } });
    await foreign`INSERT INTO message_bus.inter_session_messages
      (sender_id, channel, payload, ttl_seconds) VALUES ('older', 'chat', '1', 0)`;
    const [{ createdAt, expiresAt }] = (await bus.poll("chat")).messages;
    assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), 86_400_000);
    await bus.publish("state", 2);
    await appendAs("older");
    const poll = await bus.poll("state");
    assert.deepEqual(payloadsOf(poll.messages), [1, 2, 1]);
    await bus.sessions.end();
    await assert.rejects(bus.publish("state", 3), SessionEndedError);
    await assert.rejects(
      bus.publishMany([
        { channel: "state", payload: 4 },
        { channel: "state", payload: 5 },
      ]),
      SessionEndedError,
    );
    // The sender of an older program's message is not checked.
    await appendAs("newer");
    const { messages } = await bus.poll("state", { after: poll.cursor });
    assert.deepEqual(payloadsOf(messages), [1]);
  },
});
