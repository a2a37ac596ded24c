/**
 * A round of crashes: processes that work on one bus, and are killed at random.
 *
 * Each slot starts a process, kills it by SIGKILL and starts the next one,
 * which takes over the session's id. Three in ten die while they start and open
 * the bus. The others die up to `lifeMs` after their work has started, however
 * slow the machine is. In the end a survivor reads the bus (crash_survivor.ts),
 * and the checker judges.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath } from "../../mod.ts";
import { check, type End, type Run, type Violation } from "./checker.ts";
import { readHistories, Recorder } from "./history.ts";
import { CHANNELS, type CrashPeerStart, END } from "./crash_workload.ts";
import type { Chance } from "./seed.ts";

/** The URL of the `mod.ts` of this checkout. */
export const LIBRARY: string = new URL("../../mod.ts", import.meta.url).href;

// Far above the usual time. A survivor that hangs is a violation.
const SURVIVOR_LATEST_MS = 120_000;

// A history of this size has entries after the start of its process.
const AT_WORK_BYTES = 400;

/** Options of a round. */
export interface RoundOptions {
  /** The source of random choices. */
  readonly chance: Chance;
  /** The number of processes to kill. */
  readonly kills: number;
  /** The number of processes at a time. */
  readonly slots: number;
  /**
   * The maximum lifetime of a working process, in milliseconds.
   * @default {100}
   */
  readonly lifeMs?: number;
  /**
   * The URL of the library's `mod.ts`.
   * @default {LIBRARY}
   */
  readonly library?: string;
}

/** The result of a round. */
export interface Round {
  /** The number of killed processes. */
  readonly kills: number;
  /** The number of acknowledged messages. */
  readonly published: number;
  /** The number of deliveries. */
  readonly delivered: number;
  /** The number of holds. */
  readonly holds: number;
  /** The broken rules. */
  readonly violations: readonly Violation[];
  /** The folder of its bus and its `histories`, if there are violations. */
  readonly folder?: string;
}

/** Runs a round on a new bus, and judges it. */
export async function crashRound(options: RoundOptions): Promise<Round> {
  const { library = LIBRARY } = options;
  const folder = await Deno.makeTempDir({ prefix: "mbus-crash-" });
  const home = `${folder}/bus`;
  const histories = `${folder}/histories`;
  await Deno.mkdir(histories);
  const kills = await killAtRandom({ ...options, library }, home, histories);
  const heldByDead = await survive({
    library,
    home,
    histories,
    peer: "survivor",
    session: "survivor",
    seed: options.chance.seed(),
  });
  const run: Run = {
    histories: readHistories(histories),
    end: { ...endOf(home), heldByDead },
  };
  const violations = check(run);
  const count = (action: string, of: (event: unknown) => number = () => 1) =>
    run.histories.flatMap(({ events }) => events)
      .reduce(
        (sum, event) => event.action === action ? sum + of(event) : sum,
        0,
      );
  if (violations.length === 0) await Deno.remove(folder, { recursive: true });
  else {
    await Deno.writeTextFile(`${histories}/end.json`, JSON.stringify(run.end));
  }
  return {
    kills,
    published: count(
      "published",
      (event) => (event as { keys: string[] }).keys.length,
    ),
    delivered: count("delivered"),
    holds: count("acquired"),
    violations,
    ...(violations.length > 0 && { folder }),
  };
}

// The time from the start of the last process to its first work.
let startMs = 200;

async function killAtRandom(
  { chance, kills, slots, lifeMs = 100, library }: RoundOptions & {
    library: string;
  },
  home: string,
  histories: string,
): Promise<number> {
  using recorder = new Recorder(`${histories}/killer.jsonl`);
  let started = 0;
  const one = async (
    session: string,
    live: (peer: string) => Promise<void>,
  ): Promise<void> => {
    const peer = `p${started++}`;
    const child = startPeer("crash_peer", {
      library,
      home,
      histories,
      peer,
      session,
      seed: chance.seed(),
    });
    await live(peer);
    recorder.record({ action: "killing", victim: peer });
    const { signal, code } = await killed(child);
    if (signal !== "SIGKILL") {
      const error = `${peer} ended without a kill, with ${signal ?? code}`;
      recorder.record({ action: "failed", act: "live on", error });
    }
  };
  const slot = async (session: string): Promise<void> => {
    while (started < kills) {
      const isYoung = chance.happens(0.3);
      const part = chance.next();
      await one(session, async (peer) => {
        if (isYoung) return await sleep(part * startMs * 1.2);
        const startedAt = performance.now();
        await atWork(`${histories}/${peer}.jsonl`);
        startMs = performance.now() - startedAt;
        await sleep(part * lifeMs);
      });
    }
  };
  await Promise.all(
    Array.from({ length: slots }, (_, i) => slot(`session-${i}`)),
  );
  return started;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until a process works, for at most 10 s. */
async function atWork(history: string): Promise<void> {
  for (let tries = 0; tries < 2_000; tries++) {
    await sleep(5);
    try {
      if (Deno.statSync(history).size >= AT_WORK_BYTES) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Kills a process, which may have ended already. Returns its status. */
async function killed(child: Deno.ChildProcess): Promise<Deno.CommandStatus> {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  return await child.status;
}

/** Starts a peer's program. */
function startPeer(
  program: "crash_peer" | "crash_survivor",
  start: CrashPeerStart,
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-all",
      new URL(`./peers/${program}.ts`, import.meta.url).pathname,
      JSON.stringify(start),
    ],
    stdin: "null",
    stdout: program === "crash_survivor" ? "piped" : "null",
    // Errors that a defect causes are expected.
    stderr: start.library === LIBRARY ? "inherit" : "null",
  }).spawn();
}

/** Runs the survivor. Returns the objects that dead sessions still hold. */
async function survive(start: CrashPeerStart): Promise<string[]> {
  const child = startPeer("crash_survivor", start);
  const late = setTimeout(() => child.kill("SIGKILL"), SURVIVOR_LATEST_MS);
  const { stdout, success } = await child.output();
  clearTimeout(late);
  return success
    ? JSON.parse(new TextDecoder().decode(stdout))
    : ["the survivor did not end"];
}

/** Reads the end state of a bus by plain SQL. */
export function endOf(home: string): Omit<End, "heldByDead"> {
  const database = new DatabaseSync(getMessagingDbPath(home), {
    readOnly: true,
  });
  try {
    const rows = (sql: string): Record<string, unknown>[] =>
      database.prepare(sql).all();
    const [{ integrity_check: integrity }] = rows("PRAGMA integrity_check");
    return {
      keptChannels: [CHANNELS.kept],
      messages: rows(
        `SELECT id, channel, payload FROM inter_session_messages
         WHERE channel IN ('${CHANNELS.kept}', '${CHANNELS.brief}')
           AND payload NOT LIKE '"${END}%' ORDER BY id`,
      ).map(({ id, channel, payload }) => ({
        id: String(id),
        channel: String(channel),
        key: keyOf(JSON.parse(String(payload))),
      })),
      names: rows("SELECT name, lost FROM durable_names").map((row) => ({
        name: String(row.name),
        lost: Number(row.lost),
      })),
      tasks: rows("SELECT task_id, status FROM tasks").map((row) => ({
        task: String(row.task_id),
        status: String(row.status),
      })),
      integrity: String(integrity),
    };
  } finally {
    database.close();
  }
}

/** Returns the key of a payload, which is a key or an object with one. */
function keyOf(payload: string | { readonly key: string }): string {
  return typeof payload === "string" ? payload : payload.key;
}
