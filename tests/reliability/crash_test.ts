import assert from "node:assert/strict";
import { hasProgram } from "../fixture.ts";
import type { RuleName, Violation } from "./checker.ts";
import { crashRound } from "./crash.ts";
import { STEPS, sweep } from "./crash_sweep.ts";
import { type Defect, withDefects } from "./defect.ts";
import { LONG, seeded } from "./seed.ts";

const LINUX = Deno.build.os === "linux";
const canTrace = LINUX && Deno.build.arch === "x86_64" && hasProgram("strace");
const unlessLinux = LINUX ? "" : " (ignored: needs Linux)";
const unlessTraced = canTrace
  ? ""
  : " (ignored: needs strace on Linux x86_64; apt-get install strace)";

const KILLS = LONG ? 10_000 : 300;
// Swept calls of a kind.
const CALLS_MAX = LONG ? Infinity : 6;

function assertNone(violations: readonly Violation[], where = ""): void {
  const lines = violations.slice(0, 20).map(({ rule, what }) =>
    `${rule}: ${what}`
  );
  assert.equal(violations.length, 0, [where, ...lines].join("\n"));
}

const RANDOM = `a bus keeps every promise while ${KILLS} processes are killed`;

Deno.test({
  name: `${RANDOM} at random${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    seeded(import.meta.url, RANDOM, async (chance, seed) => {
      let [kills, rounds, published, delivered, holds] = [0, 0, 0, 0, 0];
      while (kills < KILLS) {
        const round = await crashRound({
          chance,
          kills: Math.min(chance.whole(20, 80), KILLS - kills),
          slots: chance.whole(1, 9),
        });
        assertNone(round.violations, `histories: ${round.folder}/histories`);
        rounds++;
        kills += round.kills;
        published += round.published;
        delivered += round.delivered;
        holds += round.holds;
        if (rounds % 20 === 0) console.log(`${kills} of ${KILLS} kills`);
      }
      assert.equal(kills, KILLS);
      // Processes killed before their first action would prove nothing.
      assert.ok(published > kills && delivered > kills && holds > kills / 2);
      console.log(
        `seed ${seed}: ${kills} kills in ${rounds} rounds, ${published} ` +
          `messages acknowledged, ${delivered} deliveries, ${holds} holds`,
      );
    }),
});

for (const step of STEPS) {
  const name = `a process breaks no rule when killed at a call of a ${step}`;
  Deno.test({
    name: `${name}${unlessTraced}`,
    ignore: !canTrace,
    fn: () =>
      seeded(import.meta.url, name, async (chance, seed) => {
        const swept = await sweep(step, { chance, callsMax: CALLS_MAX });
        assertNone(swept.violations);
        const calls = Object.values(swept.calls);
        const min = calls.reduce((sum, n) => sum + Math.min(n, 3), 0);
        assert.ok(swept.kills >= min, `only ${swept.kills} were killed`);
        console.log(
          `seed ${seed}: ${swept.kills} kills at ${
            JSON.stringify(swept.calls)
          }`,
        );
      }),
  });
}

/** A defect, and the rule that must find it. */
interface Seeded {
  readonly rule: RuleName;
  readonly defects: readonly Defect[];
}

/** Defects that rounds of random kills must find. */
const FOUND_AT_RANDOM: Record<string, Seeded> = {
  "locks are granted over exclusive holds": {
    rule: "exclusive holds have one holder",
    defects: [{
      file: "lib/rules/lock_table.ts",
      text:
        "if (blockers.length === 0) return yield* this.#grant(request, asker);",
      by: "return yield* this.#grant(request, asker);",
    }],
  },
  "claimed tasks are claimed again": {
    rule: "exclusive holds have one holder",
    defects: [{
      file: "lib/sqlite/records.ts",
      text: "t.status = 'open' AND t.waits_for = 0",
      by: "t.status IN ('open', 'claimed') AND t.waits_for = 0",
    }, {
      file: "lib/rules/tasks.ts",
      text: 'task.status === "open" &&\n    task.waitsFor === 0',
      by: "task.waitsFor === 0",
    }],
  },
  "fencing tokens shrink": {
    rule: "tokens grow",
    defects: [{
      file: "lib/sqlite/records.ts",
      text: "return ++this.#lastToken;",
      by: "return --this.#lastToken;",
    }],
  },
  "a publish is acknowledged and not written": {
    rule: "acknowledged messages are there",
    defects: [{
      file: "lib/sqlite/messages.ts",
      text: 'return connection.writeOne("publish",',
      by: `if (message.ttlSeconds > 3600 && Math.random() < 0.1) {
             const id = String(Number(endCursor(connection)) + 1);
             return { id, bells: new Set<string>() };
           }
           return connection.writeOne("publish",`,
    }],
  },
  "a durable cursor moves when its messages are read": {
    rule: "durable names get each",
    defects: [{
      file: "lib/bus/subscription.ts",
      text: "this.#reportLost(page.lost);",
      by: `this.#reportLost(page.lost);
           await this.#operations.advanceDurable(reader, page.cursor);`,
    }],
  },
  "an acknowledgement is not stored": {
    rule: "nothing comes after its ack",
    defects: [{
      file: "lib/rules/durables.ts",
      text: "cursor: isAhead ? cursor : record.cursor,",
      by: "cursor: record.cursor,",
    }],
  },
  "losses are not counted": {
    rule: "losses are counted",
    defects: [{
      file: "lib/rules/durables.ts",
      text: "lost: record.lost + lost,",
      by: "lost: record.lost,",
    }],
  },
  "a page ends one message too far": {
    rule: "subscriptions skip nothing",
    defects: [{
      file: "lib/sqlite/messages.ts",
      text: "Math.max(end, last)",
      by: "1 + Math.max(end, last)",
    }, {
      file: "lib/sqlite/messages.ts",
      text: "String(rows[rows.length - 1][0])",
      by: "String(1 + Number(rows[rows.length - 1][0]))",
    }],
  },
  "pages come backwards": {
    rule: "subscriptions are in order",
    defects: [{
      file: "lib/sqlite/messages.ts",
      text: "const messages = rows.map(messageOf);",
      by: "const messages = rows.map(messageOf).reverse();",
    }, {
      file: "lib/sqlite/messages.ts",
      text: "messages.push(messageOf(row));",
      by: "messages.unshift(messageOf(row));",
    }],
  },
  "dead sessions are not reaped": {
    rule: "the dead hold nothing",
    defects: [{
      file: "lib/rules/life.ts",
      text: `at.life(process) === "dead"`,
      by: `at.life(process) === "unknown"`,
    }],
  },
  "live holders are reaped": {
    rule: "holds are not lost",
    defects: [{
      file: "lib/rules/life.ts",
      text: `at.life(process) === "dead"`,
      by: `(at.life(process) === "dead" || Math.random() < 0.1)`,
    }],
  },
};

/** Defects that kills inside a transaction must find. */
const FOUND_BY_SWEEP: Record<string, Seeded> = {
  "messages of one call are written one by one": {
    rule: "groups are whole",
    defects: [{
      file: "lib/sqlite/connection.ts",
      text: `this.sql("BEGIN IMMEDIATE").run();
    try {
      this.#checkVersion();
      const result = work();
      this.sql("COMMIT").run();`,
      by: `try {
      this.#checkVersion();
      const result = work();`,
    }],
  },
  "the journal is in memory": {
    rule: "the file is healthy",
    defects: [{
      file: "lib/sqlite/connection.ts",
      text: `db.prepare("PRAGMA journal_mode=WAL").get();`,
      by: `db.prepare("PRAGMA journal_mode=DELETE").get();`,
    }, {
      file: "lib/sqlite/connection.ts",
      text: "db.exec(`PRAGMA foreign_keys=ON; PRAGMA busy_timeout=0`);",
      by: "db.exec(`PRAGMA foreign_keys=ON; PRAGMA busy_timeout=0`);" +
        `db.prepare("PRAGMA journal_mode=MEMORY").get();`,
    }],
  },
};

// One or two rounds are enough on a fast machine.
const ROUNDS_MAX = 40;

for (const [defect, { rule, defects }] of Object.entries(FOUND_AT_RANDOM)) {
  const name = `random kills find that ${defect}`;
  Deno.test({
    name: `${name}${unlessLinux}`,
    ignore: !LINUX,
    fn: () =>
      seeded(
        import.meta.url,
        name,
        (chance) =>
          withDefects(defects, async (library) => {
            const found = new Set<RuleName>();
            for (let round = 0; round < ROUNDS_MAX; round++) {
              const { violations, folder } = await crashRound({
                chance,
                kills: 12,
                slots: 6,
                library,
              });
              if (folder !== undefined) {
                await Deno.remove(folder, { recursive: true });
              }
              for (const { rule } of violations) found.add(rule);
              if (found.has(rule)) return;
            }
            assert.fail(`found only ${[...found].join(", ")}, not "${rule}"`);
          }),
      ),
  });
}

for (const [defect, { rule, defects }] of Object.entries(FOUND_BY_SWEEP)) {
  const name = `a sweep finds that ${defect}`;
  Deno.test({
    name: `${name}${unlessTraced}`,
    ignore: !canTrace,
    fn: () =>
      seeded(
        import.meta.url,
        name,
        (chance) =>
          withDefects(defects, async (library) => {
            const { violations } = await sweep("commit", {
              chance,
              callsMax: 12,
              library,
            });
            const found = violations.map((violation) => violation.rule);
            assert.ok(found.includes(rule), `only ${[...new Set(found)]}`);
          }),
      ),
  });
}
