/**
 * Hooks: what an agent waits for at each step, as whole processes, by the command
 * that `mbus install` writes, through the launcher of `deno task install`, run by
 * a shell as agents do.
 *
 * Each agent's hook at each event, on a bus that holds nothing but the session and
 * its locks, and on one with 1,000,000 messages over 100 channels and 1,000 locks
 * of others in the same project; beside `deno run --no-config` of an empty file,
 * a hook in Python that does one SQLite insert and nothing else, and the least
 * that a hook in Deno can be: shells, runtime, flags as ours, one look at the bus and
 * one update of a row. All of them take turns, start by start.
 *
 * "Again" is the edit of a file that the session is editing already, which most
 * edits are; "first" is that of another file each time. No two sessions edit the
 * same file, as whoever meets another has to be told of it.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { AGENT_NAMES, type AgentName } from "../lib/hooks/agents/agent.ts";
import { hookCommand } from "../lib/install/agents/config.ts";
import { AGENTS } from "../lib/hooks/agents/agents.ts";
import { type MessageBus, openBus } from "../mod.ts";
import { eventAt, inputOf, type Point } from "../tests/agents/calls.ts";
import { type Installation, installed } from "./installation.ts";
import { pythonProgram, timeOf } from "./process_time.ts";
import { distributionOf } from "./quantiles.ts";
import type { Finding, Row } from "./report.ts";

const ROUNDS = 5;
const STARTS = 4;
const WARM_UP_STARTS = 2;
const MESSAGES = 1_000_000;
const CHANNELS = 100;
const LOCKS = 1_000;
const BAR = { of: "ratio", most: 1.35 } as const;

/** What is called, how it is told of, and whether it is held to the bar. */
const EVENTS: readonly (readonly [Point, string, boolean])[] = [
  ["before-edit", "before an edit, again", true],
  ["before-edit", "before an edit, first", true],
  ["after-edit", "after an edit", false],
  ["before-shell", "before a command", false],
  ["prompt", "at a prompt", false],
  ["stop", "at a stop", false],
  ["start", "at a start", false],
];

/** A program that takes turns. */
interface Contestant {
  readonly what: string;
  readonly bar?: typeof BAR;
  start(): Promise<number>;
}

/** Measures it. */
export async function benchHook(folder: string): Promise<Finding> {
  const installation = await installed(folder);
  const empty = `${folder}/empty.ts`;
  Deno.writeTextFileSync(empty, "");
  const nothing = (): Promise<number> =>
    timeOf(Deno.execPath(), ["run", "--no-config", empty]);
  const rows = await measured(nothing, [
    await pythonHook(folder),
    await leastHook(folder, installation),
  ]);
  await using held = new AsyncDisposableStack();
  for (const isFull of [false, true]) {
    const place = await placeFor(`${folder}/${isFull ? "full" : "new"}`);
    if (isFull) held.use(await fill(place));
    for (const agent of AGENT_NAMES) {
      const contestants = EVENTS.map(([point, what, hasBar]) => ({
        what: `${agent}, ${what}${isFull ? ", full bus" : ""}`,
        ...(hasBar && { bar: BAR }),
        start: caller(
          place,
          agent,
          point,
          what.endsWith("first"),
          installation,
        ),
      }));
      rows.push(...await measured(nothing, contestants));
    }
  }
  return {
    rows,
    contestants: [
      "a hook: the installed command by a shell; registered, locked, WAL, " +
      "synchronous=NORMAL",
      "empty Deno program: does nothing",
      "Python hook: one insert into a bare table, WAL, synchronous=NORMAL",
    ],
  };
}

/** Each contestant and the empty program by turns. */
async function measured(
  nothing: () => Promise<number>,
  contestants: readonly Contestant[],
): Promise<Row[]> {
  const times = contestants.map((): number[] => []);
  const baseline: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const inRound = contestants.map((): number[] => []);
    const empty: number[] = [];
    for (let n = round === 0 ? -WARM_UP_STARTS : 0; n < STARTS; n++) {
      const counts = n >= 0;
      const none = await nothing();
      if (counts) empty.push(none);
      for (const [at, contestant] of contestants.entries()) {
        const took = await contestant.start();
        if (counts) inRound[at].push(took);
      }
    }
    baseline.push(distributionOf(empty).p50);
    for (const [at, all] of inRound.entries()) {
      times[at].push(distributionOf(all).p50);
    }
  }
  return contestants.map(({ what, bar }, at): Row => ({
    bench: "hook",
    what,
    unit: "ms",
    rounds: times[at],
    baseline: { name: "empty Deno program", rounds: baseline },
    ...(bar !== undefined && { bar }),
  }));
}

/** A bus and a project. */
interface Place {
  readonly home: string;
  readonly project: string;
  /** How many of its files were edited. */
  edited: number;
}

async function placeFor(folder: string): Promise<Place> {
  const project = `${folder}/project`;
  await Deno.mkdir(`${project}/.git`, { recursive: true });
  await Deno.writeTextFile(`${project}/.git/HEAD`, "ref: refs/heads/main\n");
  for (const agent of AGENT_NAMES) {
    await Deno.writeTextFile(`${project}/again-${agent}.ts`, "a\n");
  }
  const home = `${folder}/home`;
  await Deno.mkdir(home, { mode: 0o700 });
  return { home, project: await Deno.realPath(project), edited: 0 };
}

/** Puts messages and the locks of a session on a bus, which is theirs to end. */
async function fill({ home, project }: Place): Promise<MessageBus> {
  const bus = await openBus({ home, session: "others", project });
  await bus.sessions.register();
  for (let n = 0; n < LOCKS; n++) {
    await bus.locks.acquire(`${project}/theirs/${n % 50}/${n}.ts`, {
      leaseMs: 60 * 60 * 1000,
    });
  }
  const db = new DatabaseSync(`${home}/db/messaging.db`);
  try {
    db.exec(
      `WITH RECURSIVE n(i) AS
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MESSAGES})
       INSERT INTO inter_session_messages
         (sender_id, channel, payload, ttl_seconds, project_id, rung)
       SELECT 'others', 'channel-' || (i % ${CHANNELS}),
         '{"status":"working","on":"src/a.ts"}', 3600, '${project}', 1 FROM n;
       PRAGMA wal_checkpoint(TRUNCATE)`,
    );
  } finally {
    db.close();
  }
  return bus;
}

/** Starts an agent's hook at one point. */
function caller(
  place: Place,
  agent: AgentName,
  point: Point,
  isFirst: boolean,
  { launcher, env: environment }: Installation,
): () => Promise<number> {
  const event = agent === "copilot" ? eventAt(agent, point) : undefined;
  // What opencode's plugin starts is no command of a shell.
  const [program, ...args] = agent === "opencode"
    ? [launcher, "hook", agent]
    : ["/bin/sh", "-c", hookCommand(AGENTS[agent], event)];
  return async () => {
    const name = isFirst ? `first-${place.edited++}.ts` : `again-${agent}.ts`;
    if (isFirst) await Deno.writeTextFile(`${place.project}/${name}`, "a\n");
    const input = inputOf(agent, {
      point,
      session: `bench-${agent}`,
      cwd: place.project,
      path: `${place.project}/${name}`,
      command: "git status --short",
      callId: crypto.randomUUID(),
    });
    const env = { ...environment, MBUS_HOME: place.home };
    return await timeOf(program, args, env, input);
  };
}

async function pythonHook(folder: string): Promise<Contestant> {
  const python = await pythonProgram();
  const script = `${folder}/hook.py`;
  Deno.writeTextFileSync(
    script,
    `import json, sqlite3, sys
event = json.load(sys.stdin)
bus = sqlite3.connect("${folder}/python.db", isolation_level=None)
bus.execute("PRAGMA journal_mode=WAL")
bus.execute("PRAGMA synchronous=NORMAL")
bus.execute("CREATE TABLE IF NOT EXISTS edits(session TEXT, path TEXT)")
bus.execute("INSERT INTO edits VALUES (?, ?)",
            (event["session_id"], event["tool_input"]["file_path"]))
`,
  );
  const input = inputOf("claude", {
    point: "before-edit",
    session: "bench",
    cwd: folder,
    path: script,
  });
  return {
    what: "a Python hook, one insert",
    start: () => timeOf("/bin/sh", ["-c", `${python} ${script}`], {}, input),
  };
}

async function leastHook(
  folder: string,
  { env, fragment }: Installation,
): Promise<Contestant> {
  const home = `${folder}/least-home`;
  await Deno.mkdir(home, { mode: 0o700 });
  {
    await using bus = await openBus({ home, session: "least", project: null });
    await bus.sessions.register();
  }
  const program = `${folder}/least.js`;
  await Deno.writeTextFile(
    program,
    `import { DatabaseSync } from "node:sqlite";
JSON.parse(new TextDecoder().decode(Deno.readFileSync("/dev/stdin")));
const db = new DatabaseSync(${JSON.stringify(`${home}/db/messaging.db`)});
db.exec("PRAGMA synchronous=normal; PRAGMA wal_autocheckpoint=0");
db.prepare("UPDATE session_registry SET heartbeat_at = ?").run(
  new Date().toISOString());
Deno.exit(0);
`,
  );
  // The same command, and what it reads, but for the program.
  const data = `${folder}/least-data`;
  await Deno.mkdir(`${data}/message-bus`, { recursive: true });
  await Deno.writeTextFile(
    `${data}/message-bus/hook.sh`,
    (await Deno.readTextFile(fragment)).replaceAll(
      /'[^']*\/hook\.js'/g,
      `'${program}'`,
    ),
  );
  const command = hookCommand(AGENTS.claude);
  return {
    what: "the least hook in Deno",
    start: () =>
      timeOf(
        "/bin/sh",
        ["-c", command],
        { ...env, XDG_DATA_HOME: data },
        {},
      ),
  };
}
