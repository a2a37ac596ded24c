/**
 * The folder in which a relay and the processes of its host find each other.
 *
 * ```text
 * ‹folder›/‹server›/          0700, one for each server and schema
 *   hub                       the relay's process
 *   wants/‹name›              the bells that a process requests, written by it
 *   bells/‹name›              its bell: touched by the relay, watched by it
 * ```
 *
 * The folder is `$MBUS_HUB`, else below `$XDG_RUNTIME_DIR`, else in the folder
 * for temporary files. Only its user may write to it, because another writer
 * could pretend to be the relay.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { InvalidInputError, StoreError } from "../model/errors.ts";
import { hostId, processAlive, processStart } from "../process/host.ts";
import { readSmallFile } from "../path/small_file.ts";
import type { ServerAddress } from "./url.ts";

/** A process and its host. */
export interface HostedProcess {
  /** The pid. */
  readonly pid: number;
  /** The start time; empty if unknown. */
  readonly startTime: string;
  /** The host id. */
  readonly host: string;
}

/** The request of one process. */
export interface Wants extends HostedProcess {
  /** The version, which grows with each change. */
  readonly version: number;
  /** The requested bells. */
  readonly bells: readonly string[];
}

/** The folder of a relay. */
export class RelayFolder {
  /** The path of the folder. */
  readonly path: string;

  /** Derives the path from the server; the folder need not exist. */
  constructor(address: ServerAddress) {
    const { host, port, path, database, user, schema } = address;
    const name = createHash("md5")
      .update(JSON.stringify([host, port, path, database, user, schema]))
      .digest("hex").slice(0, 12);
    this.path = `${baseFolder()}/${name}`;
  }

  /** The folder of the requests. */
  get wants(): string {
    return `${this.path}/wants`;
  }

  /** The folder of the bells. */
  get bells(): string {
    return `${this.path}/bells`;
  }

  /**
   * Creates the folder.
   *
   * @throws {StoreError} If another user owns it or may write to it.
   */
  create(): void {
    // Each level is checked first, because it may be another user's link.
    for (const folder of [baseFolder(), this.path]) {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (!isPrivate(folder)) throw this.#sharedFolderError(folder);
    }
    for (const folder of [this.wants, this.bells]) {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
  }

  #sharedFolderError(folder: string): StoreError {
    return new StoreError(
      "ownership",
      this.path,
      `Cannot run the relay: ${folder} belongs to another user, or others ` +
        `may write to it. Name another folder with MBUS_HUB.`,
    );
  }

  /** Returns the process of this host's relay; undefined if no relay runs. */
  relay(): HostedProcess | undefined {
    // Another user's file may be a pipe that blocks its reader.
    if (!this.#isPrivate()) return undefined;
    const relay = read<HostedProcess>(`${this.path}/hub`);
    return relay !== undefined && isAlive(relay) ? relay : undefined;
  }

  /** Registers this process as the relay, or removes it. */
  setRelay(isRelay: boolean): void {
    if (isRelay) replace(`${this.path}/hub`, self());
    else remove(`${this.path}/hub`);
  }

  /** Returns the request of a process; undefined if it was removed. */
  wantsOf(name: string): Wants | undefined {
    return read<Wants>(`${this.wants}/${name}`);
  }

  /** Writes the request of this process. */
  setWants(name: string, version: number, bells: readonly string[]): void {
    const wants: Wants = { ...self(), version, bells };
    replace(`${this.wants}/${name}`, wants);
  }

  /** Removes the bell and the request of a process. */
  remove(name: string): void {
    remove(`${this.wants}/${name}`);
    remove(`${this.bells}/${name}`);
  }

  #isPrivate(): boolean {
    return [baseFolder(), this.path].every(isPrivate);
  }
}

/** Returns whether only this user may write to a folder, and it is not a link. */
function isPrivate(folder: string): boolean {
  if (Deno.build.os === "windows") return true;
  try {
    const { uid, mode, isDirectory } = Deno.lstatSync(folder);
    return isDirectory && uid === Deno.uid() && ((mode ?? 0) & 0o022) === 0;
  } catch {
    return false;
  }
}

/** Returns whether a process is known to be alive. */
export function isAlive(process: HostedProcess): boolean {
  return processAlive(process, process.host) === "alive";
}

function baseFolder(): string {
  const named = Deno.env.get("MBUS_HUB");
  if (named && !named.startsWith("/")) {
    throw new InvalidInputError(
      "MBUS_HUB",
      `Cannot use MBUS_HUB=${JSON.stringify(named)} for the relay: it is a ` +
        `relative path. Write an absolute path.`,
    );
  }
  if (named) return named;
  const running = Deno.env.get("XDG_RUNTIME_DIR");
  // A relative path is ignored, as its specification demands.
  if (running?.startsWith("/")) return `${running}/message-bus`;
  const temporary = (Deno.env.get("TMPDIR") || "/tmp").replace(/\/+$/, "");
  return `${temporary}/message-bus-${Deno.uid() ?? "user"}`;
}

function self(): HostedProcess {
  return {
    pid: Deno.pid,
    startTime: processStart(Deno.pid) ?? "",
    host: hostId(),
  };
}

function read<T>(path: string): T | undefined {
  try {
    const text = readSmallFile(path, { bytesMax: WANTS_BYTES_MAX });
    return text === undefined ? undefined : JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

// A process has a bell for each channel that it reads.
const WANTS_BYTES_MAX = 16 * 1024 * 1024;

/** Replaces a file atomically: a reader finds the old or the new one. */
function replace(path: string, value: unknown): void {
  const fresh = `${path}.${crypto.randomUUID().slice(0, 8)}.new`;
  Deno.writeTextFileSync(fresh, JSON.stringify(value), { mode: 0o600 });
  Deno.renameSync(fresh, path);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
