/**
 * Where hooks leave a line when something went wrong: `hooks.log` in the bus
 * folder, one JSON object a line, begun anew at 1 MB with the last one kept.
 *
 * @module
 */

import { readSmallFile } from "../path/small_file.ts";
import { assertPrivateFolder, locateBus } from "../sqlite/location.ts";

const BYTES_MAX = 1_000_000;
const MESSAGE_CHARS_MAX = 500;

/** A line of the log. */
export interface HookLogLine {
  /** When, as an ISO 8601 time in UTC. */
  readonly at: string;
  /** The agent whose hook it was. */
  readonly agent: string;
  /** What happened. */
  readonly message: string;
}

/** The log as one hook writes it. */
export class HookLog {
  readonly #home: string | undefined;
  readonly #agent: string;

  /** Makes one for a hook of `agent`; opens nothing yet. */
  constructor(home: string | undefined, agent: string) {
    this.#home = home;
    this.#agent = agent;
  }

  /** Adds a line; where none can be written, there is nobody to tell. */
  add(trouble: unknown): void {
    const message = trouble instanceof Error
      ? trouble.message
      : String(trouble);
    const line: HookLogLine = {
      at: new Date().toISOString(),
      agent: this.#agent,
      message: message.slice(0, MESSAGE_CHARS_MAX),
    };
    try {
      const { home } = locateBus(this.#home);
      // Where there is no bus yet, the log is the first thing in its folder.
      Deno.mkdirSync(home, { recursive: true, mode: 0o700 });
      // In a folder of others it could be led to any file of this user's.
      assertPrivateFolder(home);
      const path = hookLogPath(home);
      rotate(path);
      Deno.writeTextFileSync(path, `${JSON.stringify(line)}\n`, {
        append: true,
        mode: 0o600,
      });
    } catch {
      // The agent goes on all the same.
    }
  }
}

/** Where the log is. */
export function hookLogPath(home?: string): string {
  return `${locateBus(home).home}/hooks.log`;
}

/**
 * The last lines of the log, oldest first; none if there is no log.
 *
 * @throws {StoreError} If others could have a hand in its folder.
 * @throws {SmallFileError} If it is not a regular file.
 */
export function readHookLog(
  home: string | undefined,
  most: number,
): HookLogLine[] {
  const path = hookLogPath(home);
  try {
    assertPrivateFolder(locateBus(home).home);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const text = readSmallFile(path, { bytesMax: 2 * BYTES_MAX }) ?? "";
  return text.split("\n").filter((line) => line !== "").slice(-most)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as HookLogLine];
      } catch {
        // A line that was cut short by a full disk.
        return [];
      }
    });
}

/** Replaces a log that is large. Writing to a pipe could block without end. */
function rotate(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!info.isFile) throw new TypeError(`${path} is not a regular file.`);
  if (info.size >= BYTES_MAX) Deno.renameSync(path, `${path}.1`);
}
