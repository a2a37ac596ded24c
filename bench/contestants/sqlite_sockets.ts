/**
 * The base of the gate: the same inserts into the same SQLite file, by
 * `node:sqlite` alone, with a mesh of Unix sockets for the wake-ups. Who is
 * woken reads by cursor. There is no bus: no checks, no safety poll, no
 * wake-ups for rows of others; only a heartbeat, as often as the bus's.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath } from "../../mod.ts";
import { sharedNowMs } from "../clock.ts";
import type { OpenPeer } from "../contestant.ts";
import { RawInsert } from "../raw_insert.ts";
import { SocketMesh } from "../socket_mesh.ts";
import { CHANNELS, channelTo, type Said } from "../workload.ts";

const HEARTBEAT_MS = 10_000;

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const raw = await RawInsert.open(seat.folder, `session-${seat.session}`);
  const path = getMessagingDbPath(seat.folder);
  // Another may be writing: SQLite itself waits for it.
  const db = new DatabaseSync(path, { timeout: 5_000 });
  const channels = [...CHANNELS, channelTo(seat.session)];
  const select = db.prepare(
    `SELECT id, payload FROM inter_session_messages
     WHERE id > ? AND +channel IN (${channels.map(() => "?")}) ORDER BY id`,
  );
  let cursor = Number(
    db.prepare("SELECT coalesce(max(id), 0) AS id FROM inter_session_messages")
      .get()!.id,
  );
  const mesh = new SocketMesh(seat, () => {
    for (const { id, payload } of select.all(cursor, ...channels)) {
      cursor = Number(id);
      hear(JSON.parse(String(payload)) as Said);
    }
  });
  const beat = db.prepare(
    "UPDATE session_registry SET heartbeat_at = ? WHERE session_id = ?",
  );
  const heartbeat = setInterval(() => {
    beat.run(new Date().toISOString(), `session-${seat.session}`);
  }, HEARTBEAT_MS);
  return {
    join: () => mesh.join(),
    async say(channel, said, to): Promise<number> {
      raw.one({ channel, payload: { ...said } });
      const committedAt = sharedNowMs();
      await mesh.write("!\n", to);
      return committedAt;
    },
    async sayMany(channel, many, to): Promise<void> {
      raw.many(many.map((said) => ({ channel, payload: { ...said } })));
      await mesh.write("!\n", to);
    },
    sizes: () => ({
      database: Deno.statSync(path).size,
      log: Deno.statSync(`${path}-wal`).size,
    }),
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(heartbeat);
      await mesh.close();
      db.close();
      raw[Symbol.dispose]();
    },
  };
};
