/**
 * With any input and any state of the bus, the agent goes on, the response has its
 * form, and the log names the error.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { AGENT_NAMES, type AgentName } from "../../lib/hooks/agents/agent.ts";
import { respondToInput } from "../../lib/hooks/hook.ts";
import { readHookLog } from "../../lib/hooks/hook_log.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { Mbus } from "../cli/mbus.ts";
import { eventAt, type HookCall, inputOf, POINTS } from "./calls.ts";
import { assertContract } from "./contract.ts";

const IS_LINUX = Deno.build.os === "linux";

/** A folder for a bus, which does not exist yet, and one for a project. */
class Place implements Disposable {
  readonly folder = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-hook-" }),
  );
  readonly home = `${this.folder}/bus`;
  readonly project = `${this.folder}/project`;

  constructor() {
    Deno.mkdirSync(`${this.project}/.git`, { recursive: true });
    Deno.writeTextFileSync(`${this.project}/.git/HEAD`, "ref: refs/heads/x\n");
    Deno.writeTextFileSync(`${this.project}/a.ts`, "a\n");
  }

  /** Returns a hook's response to a text on its input. */
  async answer(agent: AgentName, text: string, event?: string) {
    let output = "";
    await respondToInput(
      agent,
      { read: () => text, write: (part) => void (output += part) },
      { home: this.home, event },
    );
    return output;
  }

  call(agent: AgentName, call: Partial<HookCall> & Pick<HookCall, "point">) {
    const input = inputOf(agent, {
      session: "s-1",
      cwd: this.project,
      path: `${this.project}/a.ts`,
      ...call,
    });
    const event = agent === "copilot" ? eventAt(agent, call.point) : undefined;
    return this.answer(agent, JSON.stringify(input), event);
  }

  /** Returns the messages of the log. */
  logged(): string[] {
    return readHookLog(this.home, 1_000).map(({ message }) => message);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Compares a response with the contract of its agent. */
function assertAnswer(agent: AgentName, text: string, output: string): void {
  const input = parsed(text);
  const caller = callingAgent(input) ?? agent;
  const event = AGENTS[caller].parse(input, () => undefined);
  assertContract(
    event,
    { verdict: "allow" },
    {
      output: output.replace(/\n$/, ""),
      carried: { reason: false, context: false, continueWith: false },
    },
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

for (const agent of AGENT_NAMES) {
  const { neutral } = AGENTS[agent];
  const answered = neutral === "" ? "" : `${neutral}\n`;

  Deno.test(`${agent}: input that is not JSON is logged without its text`, async () => {
    using place = new Place();
    const whole = JSON.stringify(
      inputOf(agent, { point: "prompt", session: "s", cwd: place.project }),
    );
    const texts = [
      "",
      " ",
      "{",
      "SECRET words",
      whole.slice(0, -1),
      "\0",
      "[]]",
    ];
    for (const text of texts) {
      assert.equal(await place.answer(agent, text), answered, text);
    }
    const logged = place.logged();
    assert.equal(logged.length, texts.length);
    for (const line of logged) assert.match(line, /it is not JSON \(\d+ char/);
    assert.ok(!logged.join().includes("SECRET"));
  });

  Deno.test(`${agent}: JSON that is not an event, and unknown events, pass`, async () => {
    using place = new Place();
    const known = inputOf(agent, {
      point: "before-edit",
      session: "s",
      cwd: place.project,
    });
    const inputs: unknown[] = [null, 1, "x", true, [], [known], {}, { a: 1 }];
    for (const key of ["hook_event_name", "ev"]) {
      if (!(key in known)) continue;
      for (const value of ["Unheard", "", 7, null, {}, ["x"]]) {
        inputs.push({ ...known, [key]: value });
      }
    }
    for (const input of inputs) {
      const output = await place.answer(agent, JSON.stringify(input));
      assert.equal(output, answered, JSON.stringify(input));
    }
    assert.deepEqual(place.logged(), []);
  });

  Deno.test(`${agent}: unknown tools, strange paths and a missing folder pass`, async () => {
    using place = new Place();
    const paths = [
      "",
      "nowhere/at/all.ts",
      "/nowhere/at/all.ts",
      "../../../../../../../../x",
      "a\nb",
      "é".repeat(300),
      "x/".repeat(2_000),
      "/dev/null",
      ".",
      "a.ts/below-a-file",
      "*.ts",
    ];
    for (const path of paths) {
      const output = await place.call(agent, { point: "before-edit", path });
      assert.equal(output, answered, path);
    }
    const cwd = `${place.folder}/gone`;
    for (const point of POINTS) {
      const output = await place.call(agent, { point, cwd });
      // The greeting comes at the start or with the first prompt.
      const mayGreet = point === "start" || point === "prompt";
      if (mayGreet && /You are s-1\./.test(output)) continue;
      assert.equal(output, answered, point);
    }
  });

  Deno.test(`${agent}: 10 MB of input are read`, async () => {
    using place = new Place();
    const input = inputOf(agent, {
      point: "before-edit",
      session: "s-1",
      cwd: place.project,
      path: "a.ts",
    });
    const text = JSON.stringify({ ...input, more: "é".repeat(5_000_000) });
    const event = agent === "copilot" ? "preToolUse" : undefined;
    assert.equal(await place.answer(agent, text, event), answered);
    assert.deepEqual(place.logged(), []);
    const db = new DatabaseSync(`${place.home}/db/messaging.db`);
    try {
      const row = db.prepare("SELECT file_path FROM file_locks").get();
      assert.equal(row?.file_path, `${place.project}/a.ts`);
    } finally {
      db.close();
    }
  });

  Deno.test(`${agent}: any damaged call gets a response in the agent's form, on a real bus`, async () => {
    using place = new Place();
    const calls = POINTS.map((point) =>
      inputOf(agent, {
        point,
        session: "s-1",
        cwd: place.project,
        path: "a.ts",
        command: "echo x > a.ts",
      })
    );
    const damaged = fc.tuple(
      fc.constantFrom(...calls),
      fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
      fc.option(fc.jsonValue(), { nil: undefined }),
    ).map(([call, at, value]) =>
      JSON.stringify(replaced(call, at, value) ?? {})
    );
    await fc.assert(
      fc.asyncProperty(damaged, async (text) => {
        assertAnswer(agent, text, await place.answer(agent, text));
      }),
      { numRuns: 60 },
    );
  });
}

/** Returns a value with the one at some path replaced, or removed. */
function replaced(
  value: unknown,
  path: readonly number[],
  put: unknown,
): unknown {
  if (typeof value !== "object" || value === null) return put;
  const keys = Object.keys(value);
  if (path.length === 0 || keys.length === 0) return put;
  const key = keys[path[0] % keys.length];
  const copy = structuredClone(value) as Record<string, unknown>;
  const inner = replaced(copy[key], path.slice(1), put);
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}

/** Faults of a bus, and the log's message. */
const TROUBLES: readonly (readonly [
  string,
  (place: Place) => void,
  RegExp,
])[] = [
  ["whose folder is a file", ({ home, folder }) => {
    Deno.removeSync(home, { recursive: true });
    Deno.writeTextFileSync(home, "");
    // The log has no place then: check that it is tried.
    Deno.mkdirSync(`${folder}/elsewhere`);
  }, /^$/],
  ["that is not a database", ({ home }) => {
    Deno.writeTextFileSync(`${home}/db/messaging.db`, "x".repeat(10_000));
  }, /is not an SQLite database/],
  ["that is truncated", ({ home }) => {
    const path = `${home}/db/messaging.db`;
    Deno.truncateSync(path, 6_000);
  }, /corrupt|damaged|malformed/i],
  ["of another program", ({ home }) => {
    rewritten(home, "PRAGMA application_id = 7");
  }, /another program|is not/i],
  ["of a newer schema", ({ home }) => {
    rewritten(
      home,
      "UPDATE _schema_version SET version = 99, compatible_from = 99",
    );
  }, /newer|99|version/i],
];

function rewritten(home: string, sql: string): void {
  const db = new DatabaseSync(`${home}/db/messaging.db`);
  try {
    db.exec(sql);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    db.close();
  }
}

for (const [what, spoil, expected] of TROUBLES) {
  Deno.test(`on a bus ${what} every agent goes on`, async () => {
    using place = new Place();
    await place.call("claude", { point: "start" });
    assert.deepEqual(place.logged(), []);
    spoil(place);
    let logged = 0;
    for (const agent of AGENT_NAMES) {
      const { neutral } = AGENTS[agent];
      for (const point of ["start", "before-edit", "prompt", "end"] as const) {
        const output = await place.call(agent, { point });
        assert.equal(output.trim(), neutral, `${agent} ${point}`);
        logged++;
      }
    }
    if (expected.source === "^$") return;
    const lines = place.logged();
    assert.equal(lines.length, logged);
    for (const line of lines) assert.match(line, expected);
  });
}

Deno.test("a hook makes a missing bus", async () => {
  using place = new Place();
  assert.equal(await place.call("claude", { point: "before-edit" }), "");
  assert.deepEqual(place.logged(), []);
  assert.ok(Deno.statSync(`${place.home}/db/messaging.db`).isFile);
});

Deno.test({
  name: "the agent goes on with a read-only bus folder",
  ignore: !IS_LINUX || Deno.uid() !== 0,
  async fn() {
    await using mbus = new Mbus();
    await mbus.done(["init"]);
    const text = JSON.stringify(
      inputOf("gemini", {
        point: "before-edit",
        session: "s-1",
        cwd: `${mbus.folder}/project`,
        path: "a.ts",
      }),
    );
    // Root ignores modes, but not a read-only mount.
    const { code, stdout, stderr } = await mbus.run(["hook", "gemini"], {
      input: text,
      through: [
        "unshare",
        "-m",
        "sh",
        "-c",
        `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"`,
        mbus.home,
      ],
    });
    assert.deepEqual({ code, stdout, stderr }, {
      code: 0,
      stdout: "{}\n",
      stderr: "",
    });
  },
});

Deno.test("a hook waits for another process's long write for a moment only", async () => {
  using place = new Place();
  for (const point of ["start", "before-edit", "before-edit"] as const) {
    await place.call("claude", { point });
  }
  const db = new DatabaseSync(`${place.home}/db/messaging.db`);
  try {
    db.exec("BEGIN IMMEDIATE");
    for (const agent of AGENT_NAMES) {
      // It responds while the other still writes: its wait is bounded.
      const output = await place.call(agent, { point: "before-edit" });
      assert.equal(output.trim(), AGENTS[agent].neutral);
    }
    const logged = place.logged();
    assert.equal(logged.length, AGENT_NAMES.length);
    for (const line of logged) {
      assert.match(line, /write lock for \d+ ms\./);
    }
    db.exec("ROLLBACK");
  } finally {
    db.close();
  }
  assert.equal(await place.call("claude", { point: "before-edit" }), "");
  assert.equal(place.logged().length, AGENT_NAMES.length);
});

Deno.test("the fast path leaves a call to the slow path while another process writes", async () => {
  using place = new Place();
  for (const point of ["start", "before-edit"] as const) {
    await place.call("claude", { point });
  }
  const db = new DatabaseSync(`${place.home}/db/messaging.db`);
  const other = new Promise<void>((resolve) =>
    setTimeout(() => {
      db.exec("COMMIT");
      resolve();
    }, 20)
  );
  try {
    db.exec("BEGIN IMMEDIATE");
    const before = db.prepare("SELECT expires_at FROM file_locks").get();
    assert.equal(await place.call("claude", { point: "before-edit" }), "");
    await other;
    const after = db.prepare("SELECT expires_at FROM file_locks").get();
    assert.ok(Number(after?.expires_at) > Number(before?.expires_at));
    assert.deepEqual(place.logged(), []);
  } finally {
    db.close();
  }
});
