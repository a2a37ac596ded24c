/**
 * Demo: four processes run as sessions of four vendors on a fresh bus. Each line is
 * an event of one process, and each figure is measured there.
 *
 * ```text
 * director (this process) ── orders ──▶ session × 4 ◀── bus ──▶
 *                         ◀─── events ────┘
 * ```
 *
 * @module
 */

import { openBus, type Session } from "../../mod.ts";
import { Player } from "./player.ts";
import { now } from "./script.ts";

const COLOUR = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
const startedAt = now();

// Messages of each session in the scene where all publish at once.
const CHATTER = 25;

/** Prints a line about a session. */
function tell(session: string, text: string): void {
  const at = ((now() - startedAt) / 1000).toFixed(2).padStart(6);
  const colour = { claude: 33, codex: 32, gemini: 34, kimi: 35 }[session] ?? 90;
  const name = session.padEnd(7);
  console.log(
    COLOUR
      ? `\x1b[2m${at}\x1b[0m  \x1b[${colour}m${name}\x1b[0m ${text}`
      : `${at}  ${name} ${text}`,
  );
}

/** Prints the heading of a scene. */
function scene(title: string): void {
  console.log(COLOUR ? `\n\x1b[1m${title}\x1b[0m` : `\n${title}`);
}

/** Waits, so that a person can read the output. */
async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

const MODELS: Record<string, string> = {
  claude: "claude-sonnet-4-5",
  codex: "gpt-5.5",
  gemini: "gemini-2.5-pro",
  kimi: "kimi-k2",
};

// Without MBUS_URL the bus is a temporary one.
const given = Deno.env.get("MBUS_URL");
const home = await Deno.makeTempDir({ prefix: "mbus-demo-" });
Deno.env.set("MBUS_HOME", home);
const bus = await openBus({ vendor: "person", session: "you" });
const players = Object.keys(MODELS).map((vendor) => new Player(vendor));
const [claude, codex, gemini, kimi] = players;
const latencies: number[] = [];

try {
  console.log(`Four processes, one bus: ${bus.location}`);

  scene("1. Four sessions register");
  for (const player of players) {
    const { mode } = await player.next("listening");
    await player.order({ do: "register", model: MODELS[player.vendor] });
    await player.next("registered");
    tell(
      player.vendor,
      `registered as ${MODELS[player.vendor]}, woken by ${mode}`,
    );
    await pause(250);
  }
  const sessions: readonly Session[] = await bus.sessions.list();
  tell("you", `mbus sessions: ${sessions.map(({ id }) => id).join(", ")}`);

  scene("2. Each session publishes its status to the others");
  for (const player of players) {
    const status = `working on ${
      player.vendor === "claude" ? "the parser" : "tests"
    }`;
    await player.order({ do: "publish", status });
    const others = players.filter((other) => other !== player);
    const received = await Promise.all(
      others.map((other) =>
        other.next(
          "received",
          (it) => it.channel === "state" && it.sender === player.vendor,
        )
      ),
    );
    latencies.push(...received.map((it) => it.ms!));
    const seen = others.map((other, i) =>
      `${other.vendor} ${ms(received[i].ms!)}`
    );
    tell(player.vendor, `"${status}"  ─▶  ${seen.join(", ")}`);
    await pause(300);
  }

  await Promise.all(
    players.map((player) => player.order({ do: "chatter", messages: CHATTER })),
  );
  for (const player of players) {
    await player.next("chattered");
    const received = await player.nextLatencies(3 * CHATTER);
    latencies.push(...received);
    tell(
      player.vendor,
      `${received.length} more received: half within ` +
        `${ms(quantile(received, 0.5))}, 99 % within ${
          ms(quantile(received, 0.99))
        }`,
    );
  }
  await pause(300);

  scene("3. Four sessions claim three tasks");
  for (
    const title of ["write the parser", "write the printer", "write the README"]
  ) {
    const task = await bus.tasks.post({ title });
    tell("you", `posted ${task.id}: ${title}`);
  }
  await Promise.all(players.map((player) => player.order({ do: "claim" })));
  for (const player of players) {
    const { task } = await player.next("claimed");
    tell(
      player.vendor,
      task === undefined ? "gets no task: none is left" : `claims ${task}`,
    );
  }
  await Promise.all(players.map((player) => player.order({ do: "complete" })));
  await pause(500);

  scene("4. Two sessions lock the same file");
  const path = "src/parser.ts";
  await claude.order({
    do: "lock",
    path,
    exclusive: true,
    waitMs: 0,
    why: "renaming Token",
  });
  await claude.next("locked");
  tell("claude", `holds ${path} exclusively`);
  await codex.order({ do: "lock", path, exclusive: true, waitMs: 10_000 });
  const { blocker } = await codex.next("waiting");
  tell(
    "codex",
    `waits for it: ${blocker.session} holds it ("${blocker.why}")`,
  );
  await pause(900);
  await claude.order({ do: "unlock" });
  const unlocking = await claude.next("unlocking");
  tell("claude", "releases it");
  const granted = await codex.next("locked");
  tell("codex", `holds it ${ms(granted.at - unlocking.at)} later`);
  await codex.order({ do: "unlock" });
  await pause(400);
  await gemini.order({
    do: "lock",
    path: "docs/**",
    exclusive: false,
    waitMs: 0,
  });
  await gemini.next("locked");
  await kimi.order({
    do: "lock",
    path: "docs/guide.md",
    exclusive: false,
    waitMs: 0,
  });
  const { overlaps: [overlap] } = await kimi.next("locked");
  tell(
    "kimi",
    `locks docs/guide.md; warning: ${overlap.hold.session} holds docs/** (${overlap.risk})`,
  );
  await gemini.next(
    "received",
    (it) => it.channel === "file_conflict" && it.sender === "kimi",
  );
  tell("gemini", "gets the same warning, by push");
  await pause(600);

  scene("5. One session asks another");
  await kimi.order({ do: "ask", to: "claude", text: "is the parser done?" });
  const answered = await kimi.next("answered");
  tell("kimi", `asked claude "is the parser done?"`);
  tell(
    "claude",
    `answered "${answered.text}", there and back in ${ms(answered.ms)}`,
  );
  await pause(600);

  scene("6. A session is killed while it holds a lock");
  await kimi.order({ do: "unlock" });
  await gemini.order({
    do: "lock",
    path: "src/a.ts",
    exclusive: true,
    waitMs: 0,
  });
  await gemini.next("locked");
  await kimi.order({
    do: "lock",
    path: "src/a.ts",
    exclusive: true,
    waitMs: 10_000,
  });
  await kimi.next("waiting");
  tell("kimi", "waits for src/a.ts, which gemini holds");
  await pause(600);
  const killedAt = now();
  await gemini.kill();
  tell("gemini", "kill -9");
  const inherited = await kimi.next("locked");
  tell(
    "kimi",
    `holds it ${ms(inherited.at - killedAt)} later, without a release`,
  );
  const gone = await claude.next(
    "received",
    (it) =>
      it.channel === "heartbeat" && it.sender === "gemini" &&
      (it.payload as { event?: string }).event === "died",
  );
  tell("claude", `gets the event: ${gone.sender} died`);
  await pause(600);

  scene("Summary");
  const stats = await bus.stats();
  console.log(
    `${latencies.length} messages pushed between processes: half within ` +
      `${ms(quantile(latencies, 0.5))}, the slowest ${
        ms(quantile(latencies, 1))
      } ` +
      `(from publish to the reader's callback).`,
  );
  console.log(
    `${stats.messages} messages kept, ${
      Math.ceil(stats.storeBytes / 1024)
    } KiB on disk, ` +
      `${given === undefined ? "0 servers, " : ""}${
        ((now() - startedAt) / 1000).toFixed(1)
      } s.`,
  );
} finally {
  await Promise.allSettled(
    players.map((player) => player === gemini ? player.kill() : player.end()),
  );
  await bus.close();
  if (given === undefined) await Deno.remove(home, { recursive: true });
}
