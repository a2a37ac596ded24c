/**
 * Starting up: the cost of commands as whole processes, by the installed
 * launcher or a hook's command. The baselines are `deno run --no-config` of an
 * empty file, and programs in other languages that insert the same message.
 *
 * The command is installed in the bench's folder. The bench subscribes to the
 * bus, so each command also rings a bell, and the bench counts the messages.
 * Programs take turns within each round.
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

/** A measured program. */
interface Program {
  readonly label: string;
  readonly durability: string;
  readonly own?: boolean;
  /** The limit of its ratio to the empty program. */
  readonly bar?: Bar;
  start(): Promise<number>;
  /** The number of messages that each start publishes. */
  readonly messages?: number;
}

const STORED = "stored: WAL, synchronous=NORMAL; survives the death of any " +
  "process";
const EMPTY_LABEL = "empty Deno program";

/** Measures starts. */
export async function benchStart(run: Run): Promise<Outcome> {
  const { folder, quick } = run;
  const { rounds, starts } = quick ? QUICK : FULL;
  run.progress("installing mbus");
  const home = `${folder}/home`;
  await using bus = await openBus({ home, session: "bench" });
  await bus.sessions.register();
  const messages = bus.subscribe("state");
  await messages.ready;
  // Read at once, because the first messages expire before the last is sent.
  let received = 0;
  const receiving = (async () => {
    for await (const _ of messages) received++;
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
  for (let waits = 0; received < sent && waits < ARRIVAL_WAITS_MAX; waits++) {
    await pause(ARRIVAL_WAIT_MS);
  }
  if (received !== sent) {
    throw new Error(
      `Cannot judge the starts: ${received} of ${sent} messages arrived.`,
    );
  }
  await messages.close();
  await receiving;
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
  // Agents run a hook's command in a shell.
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
  const atMost = (ratio: number): Bar => ({ of: "ratio", max: ratio });
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
      bar: atMost(1.5),
      messages: 1,
      start: () => timeOf(launcher, ["send", "state", payload], env),
    },
    {
      label: "mbus hook, before an edit of a held file",
      durability: "renews the lock; as above",
      own: true,
      bar: atMost(1.35),
      start: () => hook(edit),
    },
    {
      label: "mbus hook, a prompt",
      durability: "notes the activity and reads pending messages; as above",
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
    about: "The cost of a command as a whole process, from before its start " +
      "until its end.",
    charts: [
      {
        kind: "bars",
        name: "processes",
        title: "Whole processes",
        caption: "Median and spread of the rounds.",
        label: "ms",
        scale: "linear",
        rows: all.map(({ label, own, spread: { median, min, max } }) => ({
          name: label,
          own,
          value: median,
          spread: [min, max] as const,
        })),
      },
      {
        kind: "lines",
        name: "distribution",
        title: "Whole processes, by percentile",
        caption: "Each point is the time within which that percentage ended.",
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
      "One process starts all programs in turns and reads their output. Every " +
      "sent message arrived at a subscriber.",
    ],
  };
}
