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
import { PAYLOAD_BYTES_MAX } from "../options.ts";
import { processEntry } from "../processes.ts";
import type { Database } from "../sqlite/driver.ts";
import { type BusLocation, locateBus } from "../sqlite/location.ts";
import {
  insertQuickly,
  type QuickSpeaker,
  speakerOf,
} from "../sqlite/quick_message.ts";
import { openSound } from "../sqlite/sound.ts";
import { withinLocks } from "../within_locks.ts";

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
  const session = Deno.env.get("MBUS_SESSION");
  const call = callOf(args);
  if (!session || call === undefined || withinLocks().length > 0) {
    return undefined;
  }
  if (Deno.env.get("MBUS_URL")) return undefined;
  const location = locateBus();
  const db = openSound(location);
  if (db === undefined) return undefined;
  try {
    const file = fileAt(location);
    const speaker = speakerOf(db, session);
    const project = speaker && projectHere(speaker);
    if (speaker !== undefined && project && runs(speaker)) {
      const ttlSeconds = ttlOf(call.channel);
      const message = { ...call, ttlSeconds, project, nowMs };
      const id = insertQuickly(db, speaker, message);
      if (id !== undefined) {
        const isInPlace = fileAt(location) === file;
        return { ...call, id, project, db, location, isInPlace };
      }
    }
  } catch {
    // Busy or broken: the whole way waits for the one and says the other.
  }
  db.close();
  return undefined;
}

/** The call that a command line is; undefined if it is another one, or a wrong one. */
function callOf(args: readonly string[]): QuickCall | undefined {
  const [channel, text] = args;
  if (args.length !== 2 || channel[0] === "-" || text[0] === "-") {
    return undefined;
  }
  try {
    const payloadText = encodePayload(
      channel,
      JSON.parse(text),
      PAYLOAD_BYTES_MAX,
    );
    return { channel: checkChannel(channel), payloadText };
  } catch {
    return undefined;
  }
}

/** Whether a session's process is there, if it has one. */
function runs({ pid, start }: QuickSpeaker): boolean {
  if (pid === null) return true;
  const entry = processEntry(pid);
  return entry !== undefined && entry.startTime === start &&
    !"ZXx".includes(entry.state);
}

/** The session's project, if the working folder lies in its working copy. */
function projectHere({ project, worktree }: QuickSpeaker): string | undefined {
  if (project === null || worktree === null) return undefined;
  const folder = Deno.cwd();
  return folder === worktree || folder.startsWith(`${worktree}/`)
    ? project
    : undefined;
}

/** Which file the bus is. */
function fileAt({ databasePath }: BusLocation): string {
  const { dev, ino } = Deno.lstatSync(databasePath);
  return `${dev} ${ino}`;
}
