/**
 * Hooks: the time an agent waits for its hook, as whole processes. A shell runs
 * the command that `mbus install` writes, through the launcher of `deno task
 * install`.
 *
 * Each agent's hook runs at each event, on an empty bus and on a full one: that
 * has 1,000,000 messages over 100 channels and 1,000 locks of another session
 * in the project. The baselines are `deno run --no-config` of an empty file, a
 * Python hook with one SQLite insert, and a minimal Deno hook with our shell
 * and flags, one look at the bus and one update. They take turns, start by
 * start.
 *
 * "Again" edits a file that the session edits already, as most edits do.
 * "First" edits another file each time. No two sessions edit the same file,
 * because a hook takes longer to report a conflict.
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
const BAR = { of: "ratio", max: 1.35 } as const;

/** Each event, its label, and whether the bar judges it. */
const EVENTS: readonly (readonly [Point, string, boolean])[] = [
  ["before-edit", "before an edit, again", true],
  ["before-edit", "before an edit, first", true],
  ["after-edit", "after an edit", false],
  ["before-shell", "before a command", false],
  ["prompt", "at a prompt", false],
  ["stop", "at a stop", false],
  ["start", "at a start", false],
];

/** A program that is measured. */
interface Contestant {
  readonly what: string;
  readonly bar?: typeof BAR;
  start(): Promise<number>;
}

/** Measures hooks. */
export async function benchHook(folder: string): Promise<Finding> {
  const installation = await installed(folder);
  const empty = `${folder}/empty.ts`;
  Deno.writeTextFileSync(empty, "");
  const nothing = (): Promise<number> =>
    timeOf(Deno.execPath(), ["run", "--no-config", empty]);
  const rows = await measured(nothing, [
    await pythonHook(folder),
    await minimalHook(folder, installation),
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
      "a hook: the installed command in a shell; registers, locks; WAL, " +
      "synchronous=NORMAL",
      "empty Deno program: does nothing",
      "Python hook: one insert into a bare table, WAL, synchronous=NORMAL",
    ],
  };
}

/** Measures contestants and the empty program in turns. */
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
  /** The number of edited files. */
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

/** Puts messages and locks on a bus. Returns the bus that holds the locks. */
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

/** Returns a function that runs an agent's hook and returns its time, in ms. */
function caller(
  place: Place,
  agent: AgentName,
  point: Point,
  isFirst: boolean,
  { launcher, env: environment }: Installation,
): () => Promise<number> {
  const event = agent === "copilot" ? eventAt(agent, point) : undefined;
  // opencode's plugin starts the program without a shell.
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

async function minimalHook(
  folder: string,
  { env, fragment }: Installation,
): Promise<Contestant> {
  const home = `${folder}/minimal-home`;
  await Deno.mkdir(home, { mode: 0o700 });
  {
    await using bus = await openBus({
      home,
      session: "minimal",
      project: null,
    });
    await bus.sessions.register();
  }
  const program = `${folder}/minimal.js`;
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
  // The command and its fragment are the installed ones, except the program.
  const data = `${folder}/minimal-data`;
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
    what: "a minimal hook in Deno",
    start: () =>
      timeOf(
        "/bin/sh",
        ["-c", command],
        { ...env, XDG_DATA_HOME: data },
        {},
      ),
  };
}
