/**
 * `mbus send` as it nearly always is called: a channel and a payload, by a session
 * that is on the bus, in its own working copy. It is done in the least code, as
 * what a command costs is what has to be loaded for it.
 *
 * | what | is quick if |
 * | --- | --- |
 * | the command line | it is `CHANNEL JSON`, without any option |
 * | the session | it is named by `MBUS_SESSION` and its process lives, or it is found as always and runs |
 * | the project | the working folder lies in the session's working copy |
 * | the bus | it is there, sound, and not written to just then |
 *
 * It decides nothing by itself. Where anything is out of the ordinary it has done
 * nothing, and the whole way (send.ts) is gone; a test holds the two against each
 * other.
 *
 * @module
 */

import { checkChannel, ttlOf } from "../channels.ts";
import { encodePayload } from "../json.ts";
import { PAYLOAD_BYTES_MAX, refuseUnlessName } from "../options.ts";
import { processEntry } from "../processes.ts";
import type { Connection } from "../sqlite/connection.ts";
import type { Database } from "../sqlite/driver.ts";
import { type BusLocation, locateBus } from "../sqlite/location.ts";
import {
  insertQuickly,
  type QuickSpeaker,
  speakerOf,
} from "../sqlite/quick_message.ts";
import { listSessions } from "../sqlite/sessions.ts";
import { openSound } from "../sqlite/sound.ts";
import { withinLocks } from "../within_locks.ts";
import { identify } from "./identity.ts";
import { surroundings } from "./surroundings.ts";

/** A message that was sent. */
export interface QuickSend {
  /** Its id. */
  readonly id: string;
  /** Its channel. */
  readonly channel: string;
  /** The project it is for. */
  readonly project: string;
  /** The bus, which is open. */
  readonly db: Database;
  /** Where the bus is. */
  readonly location: BusLocation;
  /** Whether the bus's file was in its place when that was done. */
  readonly isInPlace: boolean;
}

/** What is sent where. */
interface QuickCall {
  readonly channel: string;
  readonly payloadText: string;
}

/** Sends what a command line says; undefined if nothing was done. */
export function sendQuickly(
  args: readonly string[],
  nowMs: number,
): QuickSend | undefined {
  let db: Database | undefined;
  try {
    const call = callOf(args);
    if (call === undefined || withinLocks().length > 0) return undefined;
    if (Deno.env.get("MBUS_URL")) return undefined;
    const location = locateBus();
    db = openSound(location);
    const file = fileAt(location);
    const sent = db && file && insert(db, call, nowMs);
    if (db !== undefined && sent) {
      const isInPlace = fileAt(location) === file;
      return { ...sent, channel: call.channel, db, location, isInPlace };
    }
  } catch {
    // Wrong, busy or broken: the whole way says the one and waits for the other.
  }
  db?.close();
  return undefined;
}

function insert(
  db: Database,
  call: QuickCall,
  nowMs: number,
): Pick<QuickSend, "id" | "project"> | undefined {
  const name = Deno.env.get("MBUS_SESSION");
  const speaker = name ? speakerNamed(db, name) : speakerFound(db);
  const project = speaker && projectHere(speaker);
  if (speaker === undefined || project === undefined) return undefined;
  const ttlSeconds = ttlOf(call.channel);
  const message = { ...call, ttlSeconds, project, nowMs };
  const id = insertQuickly(db, speaker, message);
  return id === undefined ? undefined : { id, project };
}

/** The call that a command line is; undefined if it is another one. */
function callOf(args: readonly string[]): QuickCall | undefined {
  const [channel, text] = args;
  if (args.length !== 2 || channel[0] === "-" || text[0] === "-") {
    return undefined;
  }
  const payload = JSON.parse(text);
  return {
    channel: checkChannel(channel),
    payloadText: encodePayload(channel, payload, PAYLOAD_BYTES_MAX),
  };
}

/**
 * The session that was named, if it has no process, or one that is there. Whose
 * host that is need not be known: one of another host with the same number and
 * start is not judged, and the session is joined all the same.
 */
function speakerNamed(db: Database, name: string): QuickSpeaker | undefined {
  refuseUnlessName("session", name);
  const speaker = speakerOf(db, name);
  if (speaker === undefined || speaker.pid === null) return speaker;
  const entry = processEntry(speaker.pid);
  const runs = entry !== undefined && entry.startTime === speaker.start &&
    !"ZXx".includes(entry.state);
  return runs ? speaker : undefined;
}

/** The session that whoever runs us is, as any command finds it. */
function speakerFound(db: Database): QuickSpeaker | undefined {
  const connection: Pick<Connection, "sql"> = {
    sql: (text) => db.prepare(text),
  };
  const all = listSessions(connection, { project: null, ended: false });
  const { joined } = identify(surroundings(undefined, all));
  return joined && {
    id: joined.id,
    pid: joined.pid ?? null,
    start: joined.processStart ?? null,
    project: joined.project ?? null,
    worktree: joined.worktree ?? null,
  };
}

/** The session's project, if the working folder lies in its working copy. */
function projectHere({ project, worktree }: QuickSpeaker): string | undefined {
  if (project === null || worktree === null) return undefined;
  const folder = Deno.cwd();
  return folder === worktree || folder.startsWith(`${worktree}/`)
    ? project
    : undefined;
}

/** Which file the bus is; undefined if it is none. */
function fileAt({ databasePath }: BusLocation): string | undefined {
  try {
    const { dev, ino } = Deno.lstatSync(databasePath);
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}
