/**
 * The same inserts into the same SQLite file as the bus's, by `node:sqlite` alone.
 * Who is woken reads by cursor. There is no bus: no checks, nothing that is looked up,
 * no wake-ups for rows of others; only a heartbeat and, beneath, a poll for what woke
 * nobody, as often as the bus's. How a session wakes the others is handed in.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath } from "../../mod.ts";
import { sharedNowMs } from "../clock.ts";
import type { Peer, Recipient, Seat } from "../contestant.ts";
import { RawInsert } from "../raw_insert.ts";
import { CHANNELS, channelTo, type Said } from "../workload.ts";

const HEARTBEAT_MS = 10_000;
const POLL_INTERVAL_MS = 250;

/** How a session wakes others. */
export interface Waking {
  /** Meets the others, once all of them stand. */
  join?(): Promise<void>;
  /** Wakes one, or all others. */
  wake(to: Recipient): Promise<void> | void;
  /** Ends it. */
  close(): Promise<void>;
}

/** Opens a session; `wakingBy` is told what to do when it is woken. */
export async function openBareSqlite(
  seat: Seat,
  hear: (said: Said) => void,
  wakingBy: (woken: () => void) => Waking,
): Promise<Peer> {
  const raw = await RawInsert.open(seat.folder, `session-${seat.session}`);
  const path = getMessagingDbPath(seat.folder);
  // Another may be writing: SQLite itself waits for it.
  const db = new DatabaseSync(path, { timeout: 5_000 });
  const channels = [...CHANNELS, channelTo(seat.session)];
  const select = db.prepare(
    `SELECT id, payload FROM inter_session_messages
     WHERE id > ? AND (${channels.map(() => "+channel = ?").join(" OR ")})
     ORDER BY id`,
  );
  const end = "SELECT coalesce(max(id), 0) AS id FROM inter_session_messages";
  let cursor = seat.from === "start" ? 0 : Number(db.prepare(end).get()!.id);
  const read = (): void => {
    for (const { id, payload } of select.all(cursor, ...channels)) {
      cursor = Number(id);
      hear(JSON.parse(String(payload)) as Said);
    }
  };
  const waking = wakingBy(read);
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
    beat.run(new Date().toISOString(), `session-${seat.session}`);
  }, HEARTBEAT_MS);
  return {
    join: async () => await waking.join?.(),
    async say(channel, said, to): Promise<number> {
      raw.one({ channel, payload: { ...said } });
      const committedAt = sharedNowMs();
      await waking.wake(to);
      return committedAt;
    },
    async sayMany(channel, many, to): Promise<void> {
      raw.many(many.map((said) => ({ channel, payload: { ...said } })));
      await waking.wake(to);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(heartbeat);
      clearInterval(poll);
      await waking.close();
      db.close();
      raw[Symbol.dispose]();
    },
  };
}
