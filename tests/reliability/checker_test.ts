import assert from "node:assert/strict";
import {
  check,
  type End,
  RULE_NAMES,
  type RuleName,
  type Run,
} from "./checker.ts";
import type { Action, Event } from "./history.ts";

/** The actions of one process, with their times. */
type Timed = readonly (readonly [number, Action])[];

function run(peers: Record<string, Timed>, end: Partial<End> = {}): Run {
  const events = (timed: Timed): Event[] =>
    timed.map(([at, action]) => ({ at, ...action }));
  return {
    histories: Object.entries(peers).map(([peer, timed]) => ({
      peer,
      events: events(timed),
    })),
    end: {
      keptChannels: ["kept"],
      messages: [],
      names: [],
      tasks: [],
      heldByDead: [],
      integrity: "ok",
      ...end,
    },
  };
}

const publishing = (...keys: string[]): Action => ({
  action: "publishing",
  channel: "kept",
  keys,
});
const together = (...keys: string[]): Action => ({
  action: "publishing",
  channel: "kept",
  keys,
  group: true,
});
const published = (ids: Record<string, number>): Action => ({
  action: "published",
  channel: "kept",
  keys: Object.keys(ids),
  ids: Object.values(ids).map(String),
});
const kept = (ids: Record<string, number>, channel = "kept") => ({
  messages: Object.entries(ids).map(([key, id]) => ({
    key,
    id: String(id),
    channel,
  })),
});
const subscribed = (cursor: number, durable?: string, number = 1): Action => ({
  action: "subscribed",
  subscription: `s${number}`,
  channel: "kept",
  cursor: String(cursor),
  ...(durable !== undefined && { durable }),
});
const delivered = (key: string, id: number, number = 1): Action => ({
  action: "delivered",
  subscription: `s${number}`,
  key,
  id: String(id),
});
const acked = (id: number, number = 1): Action => ({
  action: "acked",
  subscription: `s${number}`,
  id: String(id),
});
const mark = (token: number, resource = "/a") =>
  ({ kind: "lock", resource, token }) as const;
const acquired = (
  token: number,
  exclusive = true,
  resource = "/a",
): Action => ({
  action: "acquired",
  exclusive,
  ...mark(token, resource),
});
const releasing = (token: number): Action => ({
  action: "releasing",
  ...mark(token),
});
const completed = (token: number): Action => ({
  action: "completed",
  ...mark(token),
});
const killing = (victim: string): Action => ({ action: "killing", victim });

/** Histories that a rule must accept, and histories that it must flag. */
interface Cases {
  readonly good: Record<string, Run>;
  readonly bad: Record<string, Run>;
}

const CASES: Record<RuleName, Cases> = {
  "acknowledged messages are there": {
    good: {
      "an acknowledged message exists": run(
        { a: [[1, publishing("k")], [2, published({ k: 7 })]] },
        kept({ k: 7 }),
      ),
      "an unacknowledged message is missing": run({
        a: [[1, publishing("k")]],
      }),
      "an unacknowledged message exists": run(
        { a: [[1, publishing("k")]] },
        kept({ k: 7 }),
      ),
    },
    bad: {
      "it is missing": run({
        a: [[1, publishing("k")], [2, published({ k: 7 })]],
      }),
      "it has another id": run(
        { a: [[1, publishing("k")], [2, published({ k: 7 })]] },
        kept({ k: 8 }),
      ),
    },
  },
  "each message is there once": {
    good: { "one each": run({}, kept({ k: 1, l: 2 })) },
    bad: {
      "one twice": run({}, {
        messages: [1, 2].map((id) => ({
          key: "k",
          channel: "kept",
          id: `${id}`,
        })),
      }),
    },
  },
  "groups are whole": {
    good: {
      "all": run({ a: [[1, together("k", "l")]] }, kept({ k: 1, l: 2 })),
      "none": run({ a: [[1, together("k", "l")]] }),
      "some of several single messages": run(
        { a: [[1, publishing("k", "l")]] },
        kept({ k: 1 }),
      ),
    },
    bad: {
      "one of two": run({ a: [[1, together("k", "l")]] }, kept({ l: 2 })),
    },
  },
  "nothing is delivered before its commit": {
    good: {
      "delivered before its acknowledgement": run(
        {
          a: [[1, publishing("k")]],
          b: [[0, subscribed(0)], [2, delivered("k", 1)]],
        },
        kept({ k: 1 }),
      ),
    },
    bad: {
      "delivered, and missing": run({
        a: [[1, publishing("k")]],
        b: [[0, subscribed(0)], [2, delivered("k", 1)]],
      }),
      "delivered before it was published": run(
        {
          a: [[3, publishing("k")]],
          b: [[0, subscribed(0)], [2, delivered("k", 1)]],
        },
        kept({ k: 1 }),
      ),
      "never published": run(
        { b: [[0, subscribed(0)], [2, delivered("k", 1)]] },
        kept({ k: 1 }),
      ),
      "delivered under another's id": run(
        {
          a: [[1, publishing("k", "l")]],
          b: [[0, subscribed(0)], [2, delivered("k", 2)]],
        },
        kept({ k: 1, l: 2 }),
      ),
    },
  },
  "subscriptions are in order": {
    good: {
      "two subscriptions, each in order": run(
        {
          a: [[1, publishing("k", "l")]],
          b: [
            [0, subscribed(0)],
            [2, delivered("k", 1)],
            [3, delivered("l", 2)],
            [4, subscribed(0, undefined, 2)],
            [5, delivered("k", 1, 2)],
          ],
        },
        kept({ k: 1, l: 2 }),
      ),
    },
    bad: {
      "the second first": run(
        {
          a: [[1, publishing("k", "l")]],
          b: [
            [0, subscribed(0)],
            [2, delivered("l", 2)],
            [3, delivered("k", 1)],
          ],
        },
        kept({ k: 1, l: 2 }),
      ),
      "one twice": run(
        {
          a: [[1, publishing("k")]],
          b: [
            [0, subscribed(0)],
            [2, delivered("k", 1)],
            [3, delivered("k", 1)],
          ],
        },
        kept({ k: 1 }),
      ),
    },
  },
  "publishes are in order": {
    good: {
      "others between": run(
        {
          a: [
            [1, publishing("k")],
            [2, published({ k: 1 })],
            [3, publishing("l")],
            [4, published({ l: 9 })],
          ],
        },
        kept({ k: 1, l: 9 }),
      ),
    },
    bad: {
      "the later one before": run(
        {
          a: [
            [1, publishing("k")],
            [2, published({ k: 9 })],
            [3, publishing("l")],
            [4, published({ l: 1 })],
          ],
        },
        kept({ k: 9, l: 1 }),
      ),
    },
  },
  "subscriptions skip nothing": {
    good: {
      "messages before its start and after its last delivery": run(
        {
          a: [[1, publishing("k", "l", "m")]],
          b: [[2, subscribed(1)], [3, delivered("l", 2)]],
        },
        kept({ k: 1, l: 2, m: 3 }),
      ),
      "it gets nothing": run({ b: [[2, subscribed(1)]] }, kept({ k: 2 })),
    },
    bad: {
      "one between": run(
        {
          a: [[1, publishing("k", "l", "m")]],
          b: [
            [0, subscribed(0)],
            [3, delivered("k", 1)],
            [4, delivered("m", 3)],
          ],
        },
        kept({ k: 1, l: 2, m: 3 }),
      ),
      "the first": run(
        {
          a: [[1, publishing("k", "l")]],
          b: [[0, subscribed(0)], [3, delivered("l", 2)]],
        },
        kept({ k: 1, l: 2 }),
      ),
    },
  },
  "durable names get each": {
    good: {
      "by one reader or another": run(
        {
          a: [[1, publishing("k", "l")]],
          b: [[0, subscribed(0, "d")], [2, delivered("k", 1)]],
          c: [[3, subscribed(1, "d", 2)], [4, delivered("l", 2, 2)]],
        },
        kept({ k: 1, l: 2 }),
      ),
      "messages older than the name": run(
        { b: [[0, subscribed(5, "d")]] },
        kept({ k: 5 }),
      ),
    },
    bad: {
      "one is not delivered": run(
        {
          a: [[1, publishing("k", "l")]],
          b: [[0, subscribed(0, "d")], [2, delivered("k", 1)]],
        },
        kept({ k: 1, l: 2 }),
      ),
    },
  },
  "losses are counted": {
    good: {
      "the number of messages not delivered": run({
        a: [[1, publishing("k", "l")], [2, published({ k: 1, l: 2 })]],
        b: [[0, subscribed(0, "d")], [3, delivered("k", 1)]],
      }, {
        keptChannels: [],
        ...kept({ k: 1 }),
        names: [{ name: "d", lost: 1 }],
      }),
      "delivered, not acknowledged, and lost": run({
        a: [[1, publishing("k")], [2, published({ k: 1 })]],
        b: [[0, subscribed(0, "d")], [3, delivered("k", 1)]],
      }, { ...kept({ k: 1 }), names: [{ name: "d", lost: 1 }] }),
      "expired before the name existed": run({
        a: [[1, publishing("k")], [2, published({ k: 1 })]],
        b: [[3, subscribed(0, "d")]],
      }, { keptChannels: [], names: [{ name: "d", lost: 0 }] }),
      "published without acknowledgement": run({
        a: [[1, publishing("k")]],
        b: [[0, subscribed(0, "d")]],
      }, { names: [{ name: "d", lost: 1 }] }),
    },
    bad: {
      "a message not delivered is not counted": run({
        a: [[1, publishing("k")], [2, published({ k: 1 })]],
        b: [[0, subscribed(0, "d")]],
      }, { names: [{ name: "d", lost: 0 }] }),
      "one is counted twice": run({
        a: [[1, publishing("k")], [2, published({ k: 1 })]],
        b: [[0, subscribed(0, "d")]],
      }, { names: [{ name: "d", lost: 2 }] }),
    },
  },
  "nothing comes after its ack": {
    good: {
      "again before it": run(
        {
          a: [[1, publishing("k")]],
          b: [[0, subscribed(0, "d")], [2, delivered("k", 1)]],
          c: [
            [3, subscribed(0, "d", 2)],
            [4, delivered("k", 1, 2)],
            [5, acked(1, 2)],
          ],
        },
        kept({ k: 1 }),
      ),
      "under another name": run(
        {
          a: [[1, publishing("k")]],
          b: [
            [0, subscribed(0, "d")],
            [2, delivered("k", 1)],
            [3, acked(1)],
            [4, subscribed(0, "e", 2)],
            [5, delivered("k", 1, 2)],
          ],
        },
        kept({ k: 1 }),
      ),
    },
    bad: {
      "to the next reader": run(
        {
          a: [[1, publishing("k", "l")]],
          b: [
            [0, subscribed(0, "d")],
            [2, delivered("k", 1)],
            [3, delivered("l", 2)],
            // An acknowledgement covers earlier messages.
            [4, acked(2)],
          ],
          c: [[5, subscribed(0, "d", 2)], [6, delivered("k", 1, 2)]],
        },
        kept({ k: 1, l: 2 }),
      ),
    },
  },
  "exclusive holds have one holder": {
    good: {
      "one after the other": run({
        a: [[1, acquired(1)], [2, releasing(1)]],
        b: [[3, acquired(2)], [4, releasing(2)]],
      }),
      "granted before the releaser's next event": run({
        a: [[1, acquired(1)], [2, releasing(1)], [9, killing("x")]],
        b: [[3, acquired(2)]],
      }),
      "advisory ones together": run({
        a: [[1, acquired(1, false)], [4, releasing(1)]],
        b: [[2, acquired(2, false)], [3, releasing(2)]],
      }),
      "after the holder's death": run({
        a: [[1, acquired(1)]],
        b: [[3, acquired(2)]],
        killer: [[2, killing("a")], [9, killing("b")]],
      }),
      "of two files": run({
        a: [[1, acquired(1)], [4, releasing(1)]],
        b: [[2, acquired(2, true, "/b")]],
      }),
    },
    bad: {
      "one within the other": run({
        a: [[1, acquired(1)], [4, releasing(1)]],
        b: [[2, acquired(2)], [3, releasing(2)]],
      }),
      "before the holder's death": run({
        a: [[1, acquired(1)]],
        b: [[2, acquired(2)]],
        killer: [[3, killing("a")], [4, killing("b")]],
      }),
      "exclusive beside advisory": run({
        a: [[1, acquired(1, false)], [4, releasing(1)]],
        b: [[2, acquired(2)], [3, releasing(2)]],
      }),
      "advisory beside exclusive": run({
        a: [[1, acquired(1)], [4, releasing(1)]],
        b: [[2, acquired(2, false)], [3, releasing(2)]],
      }),
      "one that lasts longer than a hold between": run({
        a: [[1, acquired(1)], [9, releasing(1)]],
        b: [[2, acquired(2, false)], [3, releasing(2)]],
        c: [[4, acquired(3)], [5, releasing(3)]],
      }),
    },
  },
  "tokens grow": {
    good: {
      "with gaps": run({
        a: [[1, acquired(1)], [2, releasing(1)]],
        b: [[3, acquired(5)], [4, releasing(5)]],
      }),
    },
    bad: {
      "a smaller one later": run({
        a: [[1, acquired(5)], [2, releasing(5)]],
        b: [[3, acquired(1)], [4, releasing(1)]],
      }),
      "the same for two": run({
        a: [[1, acquired(1)], [2, releasing(1)]],
        b: [[3, acquired(1)], [4, releasing(1)]],
      }),
    },
  },
  "holds are not lost": {
    good: { "released": run({ a: [[1, acquired(1)], [2, releasing(1)]] }) },
    bad: {
      "by its token": run({
        a: [[1, acquired(1)], [2, { action: "lost-hold", ...mark(1) }]],
      }),
    },
  },
  "tasks are done once": {
    good: {
      "claimed again after its holder's death, and done": run({
        a: [[1, acquired(1)]],
        b: [[3, acquired(2)], [4, releasing(2)], [5, completed(2)]],
        killer: [[2, killing("a")]],
      }, { tasks: [{ task: "/a", status: "done" }] }),
    },
    bad: {
      "twice": run({
        a: [[1, acquired(1)], [2, releasing(1)], [3, completed(1)]],
        b: [[4, acquired(2)], [5, releasing(2)], [6, completed(2)]],
      }, { tasks: [{ task: "/a", status: "done" }] }),
      "done, and open again": run({
        a: [[1, acquired(1)], [2, releasing(1)], [3, completed(1)]],
      }, { tasks: [{ task: "/a", status: "open" }] }),
    },
  },
  "posted tasks are there": {
    good: {
      "it exists": run({ a: [[1, { action: "posted", task: "t" }]] }, {
        tasks: [{ task: "t", status: "open" }],
      }),
    },
    bad: {
      "it is missing": run({ a: [[1, { action: "posted", task: "t" }]] }),
    },
  },
  "the dead hold nothing": {
    good: { "nothing": run({}) },
    bad: { "a lock": run({}, { heldByDead: ["a holds /a"] }) },
  },
  "the file is healthy": {
    good: { "ok": run({}) },
    bad: {
      "a page is lost": run({}, { integrity: "Page 7: never used" }),
    },
  },
  "nothing fails": {
    good: { "a kill": run({ a: [[1, killing("b")]] }) },
    bad: {
      "a publish": run({
        a: [[1, { action: "failed", act: "publish", error: "StoreError: no" }]],
      }),
    },
  },
};

for (const rule of RULE_NAMES) {
  Deno.test(`check() flags histories that break "${rule}", and no others`, async (t) => {
    for (const [name, good] of Object.entries(CASES[rule].good)) {
      await t.step(`passes: ${name}`, () => {
        assert.deepEqual(check(good), []);
      });
    }
    for (const [name, bad] of Object.entries(CASES[rule].bad)) {
      await t.step(`flags: ${name}`, () => {
        const rules = check(bad).map((violation) => violation.rule);
        assert.ok(rules.includes(rule), `found only ${rules.join(", ")}`);
      });
    }
  });
}

Deno.test("checker.ts prints the violations of a folder and exits with 1", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mbus-checker-" });
  try {
    const judge = (bad: Run) => {
      for (const { peer, events } of bad.histories) {
        const lines = events.map((event) => `${JSON.stringify(event)}\n`);
        // SIGKILL leaves an incomplete last line.
        Deno.writeTextFileSync(
          `${folder}/${peer}.jsonl`,
          `${lines.join("")}{"at":9,"action":"publi`,
        );
      }
      Deno.writeTextFileSync(`${folder}/end.json`, JSON.stringify(bad.end));
      const { code, stdout } = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--allow-all",
          new URL("./checker.ts", import.meta.url).pathname,
          folder,
        ],
      }).outputSync();
      return [code, new TextDecoder().decode(stdout)];
    };
    const { good, bad } = CASES["acknowledged messages are there"];
    assert.deepEqual(judge(good["an acknowledged message exists"]), [0, ""]);
    assert.deepEqual(judge(bad["it is missing"]), [
      1,
      "acknowledged messages are there: " +
      "a was told the id 7 of k, found undefined\n",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
