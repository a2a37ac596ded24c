/**
 * The bus's inserts into the bus's SQLite file, by `node:sqlite` alone.
 *
 * A woken session reads by cursor. It checks and looks up nothing. It keeps a
 * heartbeat, and polls for missed wake-ups as often as the bus. The caller
 * passes the wake-ups.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath } from "../../mod.ts";
import { sharedNowMs } from "../clock.ts";
import type { Peer, PeerConfig, Recipient } from "../contestant.ts";
import { RawInsert } from "../raw_insert.ts";
import { CHANNELS, channelTo, type Payload } from "../workload.ts";

const HEARTBEAT_MS = 10_000;
const POLL_INTERVAL_MS = 250;

/** Wake-ups between sessions. */
export interface WakeUps {
  /** Connects to the other sessions, once all of them are ready. */
  join?(): Promise<void>;
  /** Wakes one session, or all others. */
  wake(to: Recipient): Promise<void> | void;
  /** Ends the wake-ups. */
  close(): Promise<void>;
}

/** Opens a session. `wakeUpsOf` returns wake-ups that call its argument. */
export async function openBareSqlite(
  config: PeerConfig,
  receive: (payload: Payload) => void,
  wakeUpsOf: (woken: () => void) => WakeUps,
): Promise<Peer> {
  const raw = await RawInsert.open(config.folder, `session-${config.session}`);
  const path = getMessagingDbPath(config.folder);
  // SQLite waits while another session writes.
  const db = new DatabaseSync(path, { timeout: 5_000 });
  const channels = [...CHANNELS, channelTo(config.session)];
  const select = db.prepare(
    `SELECT id, payload FROM inter_session_messages
     WHERE id > ? AND (${channels.map(() => "+channel = ?").join(" OR ")})
     ORDER BY id`,
  );
  const end = "SELECT coalesce(max(id), 0) AS id FROM inter_session_messages";
  let cursor = config.from === "start" ? 0 : Number(db.prepare(end).get()!.id);
  const read = (): void => {
    for (const { id, payload } of select.all(cursor, ...channels)) {
      cursor = Number(id);
      receive(JSON.parse(String(payload)) as Payload);
    }
  };
  const wakeUps = wakeUpsOf(read);
  read();
  const version = db.prepare("PRAGMA data_version");
  let seen = version.get()!.data_version;
  const poll = setInterval(() => {
    const now = version.get()!.data_version;
    if (now === seen) return;
    seen = now;
    read();
  }, POLL_INTERVAL_MS);
  const beat = db.prepare(
    "UPDATE session_registry SET heartbeat_at = ? WHERE session_id = ?",
  );
  const heartbeat = setInterval(() => {
    beat.run(new Date().toISOString(), `session-${config.session}`);
  }, HEARTBEAT_MS);
  return {
    join: async () => await wakeUps.join?.(),
    async publish(channel, payload, to): Promise<number> {
      raw.one({ channel, payload: { ...payload } });
      const committedAt = sharedNowMs();
      await wakeUps.wake(to);
      return committedAt;
    },
    async publishMany(channel, many, to): Promise<void> {
      raw.many(many.map((payload) => ({ channel, payload: { ...payload } })));
      await wakeUps.wake(to);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(heartbeat);
      clearInterval(poll);
      await wakeUps.close();
      db.close();
      raw[Symbol.dispose]();
    },
  };
}
