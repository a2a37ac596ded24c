/**
 * Where a hub and the sessions of its host find each other.
 *
 * ```text
 * ‹folder›/‹server›/          0700, one for a server and schema
 *   hub                       who the hub is
 *   wants/‹name›              what one process wants to hear, written by it
 *   bells/‹name›              its bell: rung by the hub, watched by the process
 * ```
 *
 * The folder is `$MBUS_HUB`, else in the user's folder for running programs,
 * else in the one for temporary files. It must be one's own: whoever could
 * write there could make sessions believe that they are served.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { StoreError } from "../model/errors.ts";
import { hostId, processAlive, processStart } from "../process/host.ts";
import { readSmallFile } from "../path/small_file.ts";
import type { ServerAddress } from "./url.ts";

/** A process of this host, as files name it. */
export interface HostedProcess {
  /** Its pid. */
  readonly pid: number;
  /** When it started; empty if that is not known. */
  readonly startTime: string;
  /** Its host. */
  readonly host: string;
}

/** What one process wants to hear. */
export interface Wants extends HostedProcess {
  /** Grows with each change. */
  readonly version: number;
  /** The bells. */
  readonly bells: readonly string[];
}

/** Where a hub and its sessions meet. */
export class HubFolder {
  /** The folder. */
  readonly path: string;

  /** Names it; it need not exist. */
  constructor(address: ServerAddress) {
    const { host, port, path, database, user, schema } = address;
    const name = createHash("md5")
      .update(JSON.stringify([host, port, path, database, user, schema]))
      .digest("hex").slice(0, 12);
    this.path = `${baseFolder()}/${name}`;
  }

  /** The folder of what is wanted. */
  get wants(): string {
    return `${this.path}/wants`;
  }

  /** The folder of the bells. */
  get bells(): string {
    return `${this.path}/bells`;
  }

  /**
   * Makes it.
   *
   * @throws {StoreError} If it is somebody else's.
   */
  make(): void {
    // Nothing is made where another user's link leads.
    for (const folder of [baseFolder(), this.path]) {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (!isOurs(folder)) throw this.#notOurs(folder);
    }
    for (const folder of [this.wants, this.bells]) {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
  }

  #notOurs(folder: string): StoreError {
    return new StoreError(
      "ownership",
      this.path,
      `Cannot run the hub: ${folder} belongs to somebody else, or others ` +
        `may write there; name another folder with MBUS_HUB.`,
    );
  }

  /** The hub that runs here, if one does. */
  hub(): HostedProcess | undefined {
    // Another user's file may be a pipe that keeps its reader waiting.
    if (!this.#isOurs()) return undefined;
    const hub = read<HostedProcess>(`${this.path}/hub`);
    return hub !== undefined && isAlive(hub) ? hub : undefined;
  }

  /** Says that this process is the hub, or is not any more. */
  setHub(isHub: boolean): void {
    if (isHub) replace(`${this.path}/hub`, self());
    else remove(`${this.path}/hub`);
  }

  /** What a process wants; undefined if it is gone. */
  wantsOf(name: string): Wants | undefined {
    return read<Wants>(`${this.wants}/${name}`);
  }

  /** Says what this process wants. */
  setWants(name: string, version: number, bells: readonly string[]): void {
    const wants: Wants = { ...self(), version, bells };
    replace(`${this.wants}/${name}`, wants);
  }

  /** Takes a process's bell and wants away. */
  remove(name: string): void {
    remove(`${this.wants}/${name}`);
    remove(`${this.bells}/${name}`);
  }

  #isOurs(): boolean {
    return [baseFolder(), this.path].every(isOurs);
  }
}

/** Whether a folder is this user's alone, and no link. */
function isOurs(folder: string): boolean {
  if (Deno.build.os === "windows") return true;
  try {
    const { uid, mode, isDirectory } = Deno.lstatSync(folder);
    return isDirectory && uid === Deno.uid() && ((mode ?? 0) & 0o022) === 0;
  } catch {
    return false;
  }
}

/** Whether a process may still live, as far as this host can tell. */
export function isAlive(process: HostedProcess): boolean {
  return processAlive(process, process.host) === "alive";
}

function baseFolder(): string {
  const named = Deno.env.get("MBUS_HUB");
  if (named) return named;
  const running = Deno.env.get("XDG_RUNTIME_DIR");
  if (running) return `${running}/message-bus`;
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
    // It is none of ours.
    return undefined;
  }
}

// A process has a bell for each channel that it reads.
const WANTS_BYTES_MAX = 16 * 1024 * 1024;

/** Whoever reads finds the old or the new one. */
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
