/**
 * The log of hooks' errors: `hooks.log` in the bus folder, one JSON object a line.
 * At 1 MB the log is renamed to `hooks.log.1` and a new one starts.
 *
 * @module
 */

import { readSmallFile } from "../path/small_file.ts";
import { assertPrivateFolder, locateBus } from "../sqlite/location.ts";

const LOG_NAME = "hooks.log";
const BYTES_MAX = 1_000_000;
const MESSAGE_CHARS_MAX = 500;

/** A line of the log. */
export interface HookLogLine {
  /** Time as ISO 8601, in UTC. */
  readonly at: string;
  /** The agent whose hook wrote the line. */
  readonly agent: string;
  /** The error's message. */
  readonly message: string;
}

/** The log of one hook. */
export class HookLog {
  readonly #home: string | undefined;
  readonly #agent: string;

  /** Makes the log of a hook of `agent`; opens no file. */
  constructor(home: string | undefined, agent: string) {
    this.#home = home;
    this.#agent = agent;
  }

  /**
   * Appends a line; never throws, because a hook can report to no other place.
   * Without a bus folder, the line goes to stderr.
   */
  add(trouble: unknown): void {
    const message = trouble instanceof Error
      ? trouble.message
      : String(trouble);
    const line: HookLogLine = {
      at: new Date().toISOString(),
      agent: this.#agent,
      message: message.slice(0, MESSAGE_CHARS_MAX),
    };
    let home: string;
    try {
      home = locateBus(this.#home).home;
    } catch {
      console.error(`mbus: ${line.message}`);
      return;
    }
    try {
      // Without a bus, the log is the first file in the folder.
      Deno.mkdirSync(home, { recursive: true, mode: 0o700 });
      // In another user's folder, a link could lead to any file of this user.
      assertPrivateFolder(home);
      const path = `${home}/${LOG_NAME}`;
      rotate(path);
      Deno.writeTextFileSync(path, `${JSON.stringify(line)}\n`, {
        append: true,
        mode: 0o600,
      });
    } catch {
      // The hook goes on without its log.
    }
  }
}

/** Returns the path of the log. */
export function hookLogPath(home?: string): string {
  return `${locateBus(home).home}/${LOG_NAME}`;
}

/**
 * Reads the last lines of the log, oldest first; none if there is no log.
 *
 * @param linesMax Maximum number of lines.
 * @throws {StoreError} If another user can write in its folder.
 * @throws {SmallFileError} If it is not a regular file.
 */
export function readHookLog(
  home: string | undefined,
  linesMax: number,
): HookLogLine[] {
  const path = hookLogPath(home);
  try {
    assertPrivateFolder(locateBus(home).home);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const text = readSmallFile(path, { bytesMax: 2 * BYTES_MAX }) ?? "";
  return text.split("\n").filter((line) => line !== "").slice(-linesMax)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as HookLogLine];
      } catch {
        // A full disk cut the line.
        return [];
      }
    });
}

/** Renames a large log. Refuses a pipe, because writing to it could block. */
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
