/**
 * Growth: the cost of operations as messages, locks, sessions and payloads
 * grow.
 *
 * Each dimension has several buses, from small to large. Every round runs each
 * operation on each bus, so that other load on the machine affects all. Bars
 * judge the ratio to the smallest bus, round by round.
 *
 * - **Messages kept**: 10³ to 10⁶, over 100 channels.
 * - **Locks held**: 10 to 10,000.
 * - **Sessions**: 10 to 200, each with a subscription of its own.
 * - **Payload**: 100 B to 64 KiB, against a bare insert.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import type { Child } from "./children.ts";
import { startChild } from "./children.ts";
import { BUS } from "./contestants.ts";
import { installed } from "./installation.ts";
import { timeOf } from "./process_time.ts";
import { quantile, spreadOf } from "./quantiles.ts";
import { RawInsert } from "./raw_insert.ts";
import type { Row } from "./report.ts";
import type { Chart, Outcome, Table } from "./result.ts";
import type { Run } from "./run.ts";

const CHANNELS = 100;
const FILL_MESSAGES = 10_000;
const MONTH_SECONDS = 30 * 24 * 60 * 60;

// Permits the growth of an index's depth, and no more.
const RATIO_MAX = 1.2;

interface Pace {
  readonly rounds: number;
  readonly messages: readonly number[];
  readonly locks: readonly number[];
  readonly sessions: readonly number[];
  readonly hooks: number;
}

const FULL: Pace = {
  rounds: 9,
  messages: [1e3, 1e4, 1e5, 1e6],
  locks: [10, 100, 1_000, 10_000],
  sessions: [10, 50, 100, 200],
  hooks: 8,
};
const QUICK: Pace = {
  rounds: 5,
  messages: [1e3, 1e4, 1e5],
  locks: [10, 100, 1_000],
  sessions: [10, 50],
  hooks: 4,
};
// Sessions in one process. The notes give the reason.
const CROWD_MAX = 50;
const PAYLOAD_BYTES = [100, 1_024, 10_240, 65_000];

/** A bus of one size. */
interface Sized {
  readonly size: number;
  /** The operations to measure, by name. */
  readonly operations: Readonly<Record<string, Operation>>;
}

/** An operation, and its number of runs in a round. */
interface Operation {
  readonly times: number;
  run(): Promise<void>;
}

/** The medians of one dimension, in ms, by operation and size. */
interface Curves {
  readonly name: string;
  readonly title: string;
  readonly axis: string;
  readonly sizes: readonly number[];
  readonly rounds: ReadonlyMap<string, readonly (readonly number[])[]>;
}

/** Measures growth. */
export async function benchGrowth(run: Run): Promise<Outcome> {
  const pace = run.quick ? QUICK : FULL;
  const { launcher } = await installed(run.folder);
  const dimensions: Curves[] = [];
  const measure = async (
    name: string,
    title: string,
    axis: string,
    sizes: readonly number[],
    make: (size: number, owned: AsyncDisposableStack) => Promise<Sized>,
  ) => {
    await using owned = new AsyncDisposableStack();
    const made: Sized[] = [];
    for (const size of sizes) {
      run.progress(`${title}: making ${size.toLocaleString("en")}`);
      made.push(await make(size, owned));
    }
    dimensions.push({
      name,
      title,
      axis,
      sizes,
      rounds: await roundsOf(run, title, made, pace.rounds),
    });
  };
  const folder = (name: string, size: number) =>
    `${run.folder}/${name}-${size}`;
  await measure(
    "messages",
    "messages kept",
    "messages kept",
    pace.messages,
    (size, owned) =>
      withMessages(folder("messages", size), size, launcher, pace, owned),
  );
  await measure(
    "locks",
    "locks held",
    "locks held",
    pace.locks,
    (size, owned) =>
      withLocks(folder("locks", size), size, launcher, pace, owned),
  );
  await measure(
    "sessions",
    "sessions",
    "sessions on the bus",
    pace.sessions,
    (size, owned) => withSessions(folder("sessions", size), size, owned),
  );
  await measure(
    "payload",
    "payload",
    "bytes of payload",
    PAYLOAD_BYTES,
    (size, owned) => withPayload(folder("payload", size), size, owned),
  );
  run.judge(dimensions.flatMap(rowsOf));
  return outcomeOf(dimensions);
}

async function roundsOf(
  run: Run,
  title: string,
  made: readonly Sized[],
  rounds: number,
): Promise<Map<string, number[][]>> {
  const results = new Map<string, number[][]>();
  for (const operation of Object.keys(made[0].operations)) {
    run.progress(`${title}: ${operation}`);
    const bySize: number[][] = made.map(() => []);
    for (let round = -1; round < rounds; round++) {
      for (let i = 0; i < made.length; i++) {
        // The order alternates, so that no bus always follows the same one.
        const at = round % 2 === 0 ? i : made.length - 1 - i;
        const ms = await medianOf(made[at].operations[operation]);
        // The first round warms up.
        if (round >= 0) bySize[at].push(ms);
      }
    }
    results.set(operation, bySize);
  }
  return results;
}

async function medianOf({ times, run }: Operation): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) {
    const before = performance.now();
    await run();
    all.push(performance.now() - before);
  }
  return quantile(all.toSorted((a, b) => a - b), 0.5);
}

/** Opens a bus that keeps `size` messages. */
async function withMessages(
  home: string,
  size: number,
  launcher: string,
  { hooks }: Pace,
  owned: AsyncDisposableStack,
): Promise<Sized> {
  const bus = owned.use(await openForGrowth(home));
  for (let kept = 0; kept < size; kept += FILL_MESSAGES) {
    await bus.publishMany(
      Array.from({ length: Math.min(FILL_MESSAGES, size - kept) }, (_, i) => ({
        channel: `kept.${i % CHANNELS}`,
        payload: { status: "working", number: kept + i },
        ttlSeconds: MONTH_SECONDS,
      })),
    );
  }
  const { messages } = await bus.poll("kept.7", { limit: 10_000 });
  const recent = messages[messages.length - Math.min(10, messages.length)].id;
  const echo = owned.use(startChild("growth_echo.ts", home));
  await echo.next();
  const answers = bus.subscribe("answer");
  await answers.ready;
  const payload = { status: "working" };
  const edited = await Deno.realPath(home) + "/edited.ts";
  return {
    size,
    operations: {
      "publish": {
        times: 300,
        run: async () => {
          await bus.publish("kept.7", payload);
        },
      },
      "publish 100 at once": {
        times: 20,
        run: async () => {
          await bus.publishMany(
            Array.from({ length: 100 }, () => ({ channel: "kept.7", payload })),
          );
        },
      },
      "poll the last ten": {
        times: 200,
        run: async () => {
          await bus.poll("kept.7", { after: recent, limit: 10 });
        },
      },
      "poll ten from the start": {
        times: 200,
        run: async () => {
          await bus.poll("kept.7", { limit: 10 });
        },
      },
      "wake-up, there and back": {
        // Many runs, because the scheduler makes single wake-ups uneven.
        times: 300,
        run: async () => {
          await bus.publish("question", payload);
          await answers.next();
        },
      },
      "lock and release": {
        times: 60,
        run: async () => {
          const path = `${home}/locked.ts`;
          await using _ = await bus.locks.acquire(path, { type: "exclusive" });
        },
      },
      "purge, nothing expired": {
        times: 20,
        run: async () => {
          await bus.purge();
        },
      },
      "hook, before an edit": {
        times: hooks,
        run: () => hook(launcher, home, editOf(edited)),
      },
      "hook, a prompt": {
        times: hooks,
        run: () => hook(launcher, home, promptIn(home)),
      },
    },
  };
}

/** Opens a bus on which one session holds `size` locks. */
async function withLocks(
  home: string,
  size: number,
  launcher: string,
  { hooks }: Pace,
  owned: AsyncDisposableStack,
): Promise<Sized> {
  const bus = owned.use(await openForGrowth(home));
  const other = owned.use(await openForGrowth(home, "other"));
  for (let i = 0; i < size; i++) {
    await bus.locks.acquire(`${home}/src/${i % 100}/file-${i}.ts`);
  }
  const edited = await Deno.realPath(home) + "/edited.ts";
  const exclusive = { type: "exclusive" } as const;
  return {
    size,
    operations: {
      "lock and release": {
        times: 60,
        run: async () => {
          await using _ = await other.locks.acquire(
            `${home}/src/7/another.ts`,
            exclusive,
          );
        },
      },
      "lock a held file, advisory": {
        times: 60,
        run: async () => {
          await using _ = await other.locks.acquire(`${home}/src/7/file-7.ts`);
        },
      },
      "holders of a file": {
        times: 60,
        run: async () => {
          await other.locks.holders(`${home}/src/7/file-7.ts`);
        },
      },
      "publish": {
        times: 300,
        run: async () => {
          await other.publish("state", { status: "working" });
        },
      },
      "hook, before an edit": {
        times: hooks,
        run: () => hook(launcher, home, editOf(edited)),
      },
    },
  };
}

/** Opens a bus with `size` sessions, each with its own subscription. */
async function withSessions(
  home: string,
  size: number,
  owned: AsyncDisposableStack,
): Promise<Sized> {
  const bus = owned.use(await openForGrowth(home));
  await bus.sessions.register();
  for (let first = 0; first < size; first += CROWD_MAX) {
    const sessions = Math.min(CROWD_MAX, size - first);
    const crowd: Child = owned.use(
      startChild("growth_crowd.ts", { home, first, sessions }),
    );
    await crowd.next();
  }
  const payload = { status: "working" };
  return {
    size,
    operations: {
      "publish without readers": {
        times: 300,
        run: async () => {
          await bus.publish("unread", payload);
        },
      },
      "publish to one": {
        times: 200,
        run: async () => {
          await bus.publish("session.7", payload);
        },
      },
      "direct message": {
        times: 200,
        run: async () => {
          await bus.publish("chat", payload, { to: "crowd-7" });
        },
      },
      "lock and release": {
        times: 60,
        run: async () => {
          const path = `${home}/locked.ts`;
          await using _ = await bus.locks.acquire(path, { type: "exclusive" });
        },
      },
      "heartbeat": {
        times: 60,
        run: async () => {
          await bus.sessions.heartbeat();
        },
      },
      "purge, nothing expired": {
        times: 10,
        run: async () => {
          await bus.purge();
        },
      },
    },
  };
}

async function withPayload(
  home: string,
  size: number,
  owned: AsyncDisposableStack,
): Promise<Sized> {
  const bus = owned.use(await openForGrowth(home));
  await bus.sessions.register();
  const raw = owned.use(await RawInsert.open(`${home}-raw`));
  const payload = { text: "x".repeat(size - 11) };
  const { id } = await bus.publish("one", payload);
  const before = String(Number(id) - 1);
  return {
    size,
    operations: {
      "publish": {
        times: 100,
        run: async () => {
          await bus.publish("state", payload);
        },
      },
      "bare insert": {
        times: 100,
        run: () => {
          raw.one({ channel: "state", payload });
          return Promise.resolve();
        },
      },
      "poll one": {
        times: 100,
        run: async () => {
          await bus.poll("one", { after: before });
        },
      },
    },
  };
}

function openForGrowth(home: string, session = "bench") {
  return openBus({
    home,
    session,
    project: home,
    publishesPerSecondMax: 1e9,
    channelMessagesMax: 1e9,
    locksMax: 1_000_000,
    warn: () => {},
  });
}

function promptIn(folder: string) {
  return {
    session_id: "bench-claude",
    hook_event_name: "UserPromptSubmit",
    cwd: folder,
    prompt: "go on",
  };
}

function editOf(path: string) {
  return {
    session_id: "bench-claude",
    hook_event_name: "PreToolUse",
    cwd: path.slice(0, path.lastIndexOf("/")),
    tool_name: "Edit",
    tool_input: { file_path: path, old_string: "a", new_string: "b" },
  };
}

async function hook(
  launcher: string,
  home: string,
  call: unknown,
): Promise<void> {
  await timeOf(launcher, ["hook", "claude"], { MBUS_HOME: home }, call);
}

function rowsOf({ name, axis, sizes, rounds }: Curves): Row[] {
  const last = sizes.length - 1;
  return [...rounds].map(([operation, bySize]): Row => ({
    bench: "growth",
    what: `${operation}, at ${sizes[last].toLocaleString("en")} ${axis}`,
    unit: "ms",
    rounds: bySize[last],
    baseline: {
      name: `at ${sizes[0].toLocaleString("en")}`,
      rounds: bySize[0],
    },
    // Without a bar for payloads, because every byte has a cost.
    ...(name !== "payload" && { bar: { of: "ratio", max: RATIO_MAX } }),
  }));
}

function outcomeOf(dimensions: readonly Curves[]): Outcome {
  return {
    title: "Growth",
    about:
      "The cost of operations as messages, locks, sessions and payloads grow, as " +
      "a ratio to the smallest.",
    charts: dimensions.map(chartOf),
    tables: dimensions.map(tableOf),
    contestants: [BUS],
    notes: [
      "Buses of all sizes are open at once and take turns in every round. Each " +
      "figure is the median of a round's operations, and each ratio compares " +
      "one round.",
      "A hook is a whole process, and most of its time is the runtime's start.",
      "A purge step checks whether the processes of at most 8 bells and 16 " +
      "sessions are alive, so its cost grows up to these numbers only.",
      `A process holds at most ${CROWD_MAX} sessions, because the runtime checks ` +
      "every watched file of a process at each event. With 200 watches it " +
      "releases a watch seconds late, which slows every writer.",
    ],
  };
}

function ratiosOf(bySize: readonly (readonly number[])[]): number[] {
  return bySize.map((each) =>
    spreadOf(each.map((ms, round) => ms / bySize[0][round])).median
  );
}

function chartOf({ name, title, axis, sizes, rounds }: Curves): Chart {
  return {
    kind: "lines",
    name,
    title: `Cost by ${title}`,
    caption: "Ratio to the smallest, in the same round.",
    x: { label: axis, scale: "log" },
    y: {
      label: "× the smallest",
      scale: name === "payload" ? "log" : "linear",
    },
    lines: [...rounds].map(([operation, bySize]) => ({
      name: operation,
      own: operation !== "bare insert",
      points: ratiosOf(bySize).map((ratio, i) => [sizes[i], ratio] as const),
    })),
    ...(name !== "payload" &&
      { bar: { y: RATIO_MAX, label: `${RATIO_MAX} ×` } }),
  };
}

function tableOf({ title, sizes, rounds }: Curves): Table {
  return {
    title: `By ${title}`,
    columns: [
      "µs",
      ...sizes.map((size) => size.toLocaleString("en")),
      "largest ÷ smallest",
    ],
    rows: [...rounds].map(([operation, bySize]) => [
      operation,
      ...bySize.map((each) => spreadOf(each).median * 1_000),
      ratiosOf(bySize).at(-1)!,
    ]),
  };
}
