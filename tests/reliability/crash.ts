/**
 * A round of crashes: processes at work on one bus, and a killer among them.
 *
 * Each slot starts a process, kills it with SIGKILL and starts the next, which
 * takes over the session's id. Three in ten are killed while they start and
 * open the bus, the others up to a tenth of a second after they are at work,
 * however slow the machine is just now. When the round's
 * kills are done all are killed; then one comes and looks (crash_survivor.ts),
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

/** The library of this checkout. */
export const LIBRARY: string = new URL("../../mod.ts", import.meta.url).href;

// It takes a tenth of a second: one that hangs is a finding, too.
const SURVIVOR_LATEST_MS = 120_000;

// A history of this length says more than that its process has started.
const AT_WORK_BYTES = 400;

/** How to run a round. */
export interface RoundOptions {
  /** What its choices follow from. */
  readonly chance: Chance;
  /** How many processes to kill. */
  readonly kills: number;
  /** How many processes are there at a time. */
  readonly slots: number;
  /**
   * How long they live at the most once they are at work, in milliseconds.
   * @default {100}
   */
  readonly lifeMs?: number;
  /**
   * The `mod.ts` of the library.
   * @default {LIBRARY}
   */
  readonly library?: string;
}

/** What a round came to. */
export interface Round {
  /** How many processes were killed. */
  readonly kills: number;
  /** How many messages were acknowledged. */
  readonly published: number;
  /** How many deliveries there were. */
  readonly delivered: number;
  /** How many holds there were. */
  readonly holds: number;
  /** What speaks against it. */
  readonly violations: readonly Violation[];
  /** Where its bus and its `histories` are, if anything speaks against it. */
  readonly folder?: string;
}

/** Runs a round on a fresh bus, and judges it. */
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
  const count = (deed: string, of: (event: unknown) => number = () => 1) =>
    run.histories.flatMap(({ events }) => events)
      .reduce((sum, event) => event.deed === deed ? sum + of(event) : sum, 0);
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

// How long a process takes until it is at work, as the last one did.
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
    recorder.record({ deed: "killing", victim: peer });
    const { signal, code } = await killed(child);
    if (signal !== "SIGKILL") {
      const error = `${peer} ended by itself, with ${signal ?? code}`;
      recorder.record({ deed: "failed", act: "live on", error });
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

/** Waits until a process is at work, or has lived for long. */
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

/** Kills a process, and tells how it ended: it may have done so before. */
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
    // What a defect makes it say is of no interest.
    stderr: start.library === LIBRARY ? "inherit" : "null",
  }).spawn();
}

/** Looks at the bus when all are dead; returns what they still hold. */
async function survive(start: CrashPeerStart): Promise<string[]> {
  const child = startPeer("crash_survivor", start);
  const late = setTimeout(() => child.kill("SIGKILL"), SURVIVOR_LATEST_MS);
  const { stdout, success } = await child.output();
  clearTimeout(late);
  return success
    ? JSON.parse(new TextDecoder().decode(stdout))
    : ["whoever came to look did not come to an end"];
}

/** What is in the database, by plain SQL. */
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

/** What a payload says: a key alone, or one with something that fills. */
function keyOf(payload: string | { readonly key: string }): string {
  return typeof payload === "string" ? payload : payload.key;
}
