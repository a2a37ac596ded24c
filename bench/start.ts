/**
 * Starting up: what commands cost as whole processes, through the installed
 * launcher, or command of a hook, against `deno run --no-config` of an empty file, and against other
 * languages that insert the same message.
 *
 * A hook runs at every step of every agent, and nearly all it costs is the
 * runtime's own start. The command is installed as people install it, into a
 * folder of the bench's own; the bus has another process on it that subscribes,
 * so sending rings as well, and each message is looked for afterwards. All take
 * turns within each round.
 *
 * @module
 */

import { hookCommand } from "../lib/install/agents/config.ts";
import { AGENTS } from "../lib/hooks/agents/agents.ts";
import { getMessagingDbPath, openBus } from "../mod.ts";
import { pause } from "./clock.ts";
import { installed } from "./installation.ts";
import { pythonProgram, timeOf } from "./process_time.ts";
import { distributionOf, spreadOf } from "./quantiles.ts";
import type { Bar } from "./report.ts";
import { type Outcome, percentilePoints } from "./result.ts";
import type { Run } from "./run.ts";

const WARM_UP_STARTS = 3;
const ARRIVAL_WAIT_MS = 100;
const ARRIVAL_WAITS_MAX = 50;
const FULL = { rounds: 9, starts: 12 };
const QUICK = { rounds: 5, starts: 6 };

/** A program that is started. */
interface Program {
  readonly label: string;
  readonly durability: string;
  readonly own?: boolean;
  /** What it is held to, against the empty program. */
  readonly bar?: Bar;
  start(): Promise<number>;
  /** Messages that each start publishes. */
  readonly messages?: number;
}

const STORED = "stored: WAL, synchronous=NORMAL; survives the death of any " +
  "process";
const EMPTY_LABEL = "empty Deno program";

/** Measures it. */
export async function benchStart(run: Run): Promise<Outcome> {
  const { folder, quick } = run;
  const { rounds, starts } = quick ? QUICK : FULL;
  run.progress("installing mbus");
  const home = `${folder}/home`;
  await using bus = await openBus({ home, session: "bench" });
  await bus.sessions.register();
  const messages = bus.subscribe("state");
  await messages.ready;
  // As they come: what was sent first is over before the last is sent.
  let heard = 0;
  const hearing = (async () => {
    for await (const _ of messages) heard++;
  })();
  const programs = await programsOf(folder, home, bus.session);
  const missing: string[] = [];
  const times = new Map<Program, number[][]>();
  for (const program of programs) {
    try {
      for (let i = 0; i < WARM_UP_STARTS; i++) await program.start();
      times.set(program, []);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      missing.push(`${program.label} is not installed here.`);
    }
  }
  for (let round = 0; round < rounds; round++) {
    run.progress(`round ${round + 1} of ${rounds}`);
    for (const each of times.values()) each.push([]);
    for (let i = 0; i < starts; i++) {
      for (const [program, each] of shuffled([...times])) {
        each[round].push(await program.start());
      }
    }
  }
  let sent = 0;
  for (const { messages: published = 0 } of times.keys()) {
    sent += published * (WARM_UP_STARTS + rounds * starts);
  }
  for (let waits = 0; heard < sent && waits < ARRIVAL_WAITS_MAX; waits++) {
    await pause(ARRIVAL_WAIT_MS);
  }
  if (heard !== sent) {
    throw new Error(`${heard} of ${sent} messages that were sent arrived`);
  }
  await messages.close();
  await hearing;
  judgeStarts(run, times);
  return outcomeOf(times, missing);
}

function shuffled<T>(list: readonly T[]): T[] {
  return list.map((each) => ({ each, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at).map(({ each }) => each);
}

async function programsOf(
  folder: string,
  home: string,
  session: string,
): Promise<Program[]> {
  const { launcher, env: environment } = await installed(folder);
  const empty = `${folder}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const env = { MBUS_HOME: home, MBUS_SESSION: session };
  // As agents run it, by their shell.
  const hook = (input: string) =>
    timeOf("/bin/sh", ["-c", hookCommand(AGENTS.claude)], {
      ...environment,
      ...env,
    }, input);
  const payload = JSON.stringify({ status: "working" });
  const database = getMessagingDbPath(home);
  const project = `${await Deno.realPath(folder)}/project`;
  await Deno.mkdir(`${project}/.git`, { recursive: true });
  await Deno.writeTextFile(`${project}/.git/HEAD`, "ref: refs/heads/main\n");
  const file = `${project}/edited.ts`;
  await Deno.writeTextFile(file, "a\n");
  const call = (event: string, more: Record<string, unknown>) =>
    JSON.stringify({
      session_id: "claude-bench",
      hook_event_name: event,
      cwd: project,
      ...more,
    });
  const edit = call("PreToolUse", {
    tool_name: "Edit",
    tool_input: { file_path: file, old_string: "a", new_string: "b" },
  });
  const prompt = call("UserPromptSubmit", { prompt: "go on" });
  const python = await pythonProgram();
  const most = (ratio: number): Bar => ({ of: "ratio", most: ratio });
  return [
    {
      label: EMPTY_LABEL,
      durability: "does nothing",
      start: () => timeOf(Deno.execPath(), ["run", "--no-config", empty]),
    },
    {
      label: "mbus send",
      durability: STORED,
      own: true,
      bar: most(1.5),
      messages: 1,
      start: () => timeOf(launcher, ["send", "state", payload], env),
    },
    {
      label: "mbus hook, before an edit of a file that is held",
      durability: "renews the lock: as above",
      own: true,
      bar: most(1.35),
      start: () => hook(edit),
    },
    {
      label: "mbus hook, a prompt",
      durability: "notes the activity and looks for mail: as above",
      own: true,
      start: () => hook(prompt),
    },
    {
      label: "mbus sessions",
      durability: "reads",
      own: true,
      start: () => timeOf(launcher, ["sessions"], env),
    },
    {
      label: "Python, the same insert",
      durability: STORED,
      messages: 1,
      start: () => timeOf(python, ["-c", PYTHON, database, payload]),
    },
    {
      label: "sqlite3 shell, the same insert",
      durability: STORED,
      messages: 1,
      start: () =>
        timeOf("sqlite3", [
          ...["-batch", "-cmd", ".timeout 5000", database],
          `PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL;
           INSERT INTO inter_session_messages(sender_id, channel, payload)
           VALUES ('shell', 'state', '${payload}')`,
        ]),
    },
  ];
}

const PYTHON = `import sqlite3, sys
bus = sqlite3.connect(sys.argv[1], timeout=5)
bus.execute("PRAGMA wal_autocheckpoint=0")
bus.execute("PRAGMA synchronous=NORMAL")
with bus:
    bus.execute(
        "INSERT INTO inter_session_messages(sender_id, channel, payload) VALUES (?, ?, ?)",
        ("python", "state", sys.argv[2]),
    )
`;

function judgeStarts(
  run: Run,
  times: ReadonlyMap<Program, readonly (readonly number[])[]>,
): void {
  const medians = (each: readonly (readonly number[])[]) =>
    each.map((round) => distributionOf(round).p50);
  const [[, empty]] = times;
  run.judge(
    [...times].slice(1).map(([{ label, bar }, each]) => ({
      bench: "start",
      what: label,
      unit: "ms",
      rounds: medians(each),
      baseline: { name: EMPTY_LABEL, rounds: medians(empty) },
      bar,
    })),
  );
}

function outcomeOf(
  times: ReadonlyMap<Program, readonly (readonly number[])[]>,
  missing: readonly string[],
): Outcome {
  const all = [...times].map(([program, rounds]) => ({
    ...program,
    spread: spreadOf(rounds.map((round) => distributionOf(round).p50)),
    distribution: distributionOf(rounds.flat()),
    points: percentilePoints(rounds.flat()),
  }));
  const empty = all[0].spread.median;
  return {
    title: "Starting up",
    about: "What a command costs as a whole process, from before its start " +
      "until it has ended.",
    charts: [
      {
        kind: "bars",
        name: "processes",
        title: "Whole processes",
        caption: "Median and spread of the rounds.",
        label: "ms",
        scale: "linear",
        rows: all.map(({ label, own, spread: { median, least, most } }) => ({
          name: label,
          own,
          value: median,
          spread: [least, most] as const,
        })),
      },
      {
        kind: "lines",
        name: "distribution",
        title: "Whole processes, by percentile",
        caption: "Each point: so many percent took at most that long.",
        x: { label: "percentile", scale: "percentile" },
        y: { label: "ms", scale: "log" },
        lines: all.map(({ label, own, points }) => ({
          name: label,
          own,
          points,
        })),
      },
    ],
    tables: [{
      title: "Whole processes, ms",
      columns: ["", "p50", "p90", "p99", "÷ empty Deno program"],
      rows: all.map(({ label, distribution, spread }) => [
        label,
        spread.median,
        distribution.p90,
        distribution.p99,
        spread.median / empty,
      ]),
    }],
    contestants: all,
    notes: [
      ...missing,
      "Each is started by the same process, which reads what it writes; all take " +
      "turns. Every message that was sent arrived at a subscriber.",
    ],
  };
}
