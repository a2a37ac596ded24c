/**
 * A hook reads one JSON value, whether or not the agent closes the pipe behind it.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import { hookCommand } from "../../lib/install/agents/config.ts";
import { type ByteSource, readInput } from "../../lib/hooks/hook_input.ts";
import { readHookLog } from "../../lib/hooks/hook_log.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { Mbus } from "../cli/mbus.ts";
import { within } from "../fixture.ts";
import { eventAt, type HookCall, inputOf } from "./calls.ts";
import { runCommand, SHELL } from "./command_shell.ts";

const IGNORE = Deno.build.os === "windows";
/** The shells of agents. */
const SHELLS = [SHELL, "/bin/bash", "/bin/dash", "/bin/zsh"].filter((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

/** An agent that writes pieces and then leaves its pipe open, or closes it. */
class Pieces implements ByteSource {
  #rest: Uint8Array[];
  readonly #closes: boolean;

  constructor(pieces: readonly (string | Uint8Array)[], closes: boolean) {
    const encoder = new TextEncoder();
    this.#rest = pieces.map((piece) =>
      typeof piece === "string" ? encoder.encode(piece) : piece
    ).filter(({ length }) => length > 0);
    this.#closes = closes;
  }

  /** The number of unread bytes. */
  get left(): number {
    return this.#rest.reduce((sum, { length }) => sum + length, 0);
  }

  read(into: Uint8Array): Promise<number | null> {
    const [first, ...rest] = this.#rest;
    if (first === undefined) {
      return this.#closes ? Promise.resolve(null) : new Promise(() => {});
    }
    const count = Math.min(first.length, into.length);
    into.set(first.subarray(0, count));
    this.#rest = count < first.length ? [first.subarray(count), ...rest] : rest;
    return Promise.resolve(count);
  }
}

/** Reads pieces of an agent that leaves its pipe open. */
function readOpen(...pieces: (string | Uint8Array)[]): Promise<string> {
  return within("the value", readInput(new Pieces(pieces, false)));
}

/** Makes a value of about this many bytes. */
function large(bytes: number): string {
  return JSON.stringify({ a: '\\"}]é'.repeat(bytes / 9), b: [{}] });
}

Deno.test("readInput() returns a value as soon as it is complete", async () => {
  const values = [
    "{}",
    '{"a":[1,{"b":2}]}',
    '[{"a":1}]',
    '{"a":"}"}',
    String.raw`{"a":"\"}\\","b":"\\\\\"]}"}`,
    '{"é":"漢字😀"}',
    large(20_000),
    large(70_000),
  ];
  for (const value of values) {
    assert.equal((await readOpen(value)).trim(), value);
    assert.equal((await readOpen(` \r\n\t${value}\n`)).trim(), value);
    assert.equal((await readOpen("\ufeff", value)).trim(), value);
  }
});

Deno.test("readInput() returns the same however the bytes are split", async () => {
  const property = fc.asyncProperty(
    fc.record({ a: fc.jsonValue(), s: fc.string({ unit: "binary" }) }),
    fc.array(fc.nat({ max: 40 }), { minLength: 1 }),
    fc.constantFrom("", "\n", "}", "{}", ' x"', '{"a":'),
    async (value, cuts, behind) => {
      const text = JSON.stringify(value);
      const bytes = new TextEncoder().encode(text + behind);
      const pieces: Uint8Array[] = [];
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const end = at + 1 + cuts[n % cuts.length];
        pieces.push(bytes.subarray(at, end));
        at = end;
      }
      const read = await readOpen(...pieces);
      assert.deepEqual(JSON.parse(read), JSON.parse(text));
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

Deno.test("readInput() leaves the bytes behind the value alone", async () => {
  const behind = ["\n", "garbage", '{"a":', '{"second":2}', "}", '"', "\0"];
  for (const text of behind) {
    assert.equal((await readOpen(`{"a":1}${text}`)).trim(), '{"a":1}');
  }
  const pieces = new Pieces(['{"a":1}', "later"], false);
  assert.equal(await readInput(pieces), '{"a":1}');
  assert.equal(pieces.left, 5);
});

Deno.test("readInput() reads 16 MiB of JSON with the pipe left open", async () => {
  const value = large(17_000_000);
  const bytes = new TextEncoder().encode(value);
  assert.ok(bytes.length > 15_000_000 && bytes.length < 16 * 1024 * 1024);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 65_536) {
    pieces.push(bytes.subarray(at, at + 65_536));
  }
  assert.equal((await readOpen(...pieces)).length, value.length);
});

Deno.test("readInput() rejects more than 16 MiB", async () => {
  const endless: ByteSource = {
    read: (into) => Promise.resolve(into.fill(0x5b).length),
  };
  await assert.rejects(() => readInput(endless), RangeError);
});

Deno.test("readInput() returns a value that is not an object at the end of the input", async () => {
  for (const text of ["", " ", "{", "7", '"{}"', "null", "words", "]"]) {
    assert.equal(await readInput(new Pieces([text], true)), text);
  }
});

Deno.test("readInput() rejects if no more bytes come", async () => {
  for (const text of ["", "{", '{"a":"}', "7", '"x"', "]", "words"]) {
    await assert.rejects(
      () => within("the end", readInput(new Pieces([text], false), 20)),
      new RegExp(`incomplete \\(${text.length} bytes\\) and no byte came`),
    );
  }
});

/** A program with a text on its input, which stays open. */
async function openRun(
  mbus: Mbus,
  args: readonly string[],
  text: string,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<{ code: number; output: string; errors: string }> {
  const cli = new URL("../../lib/cli/bin/hook.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--cached-only", "--allow-all", cli, ...args],
    cwd: `${mbus.folder}/project`,
    env: mbus.environment(env),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  const ended = await within("the hook's end", child.output());
  await writer.close().catch(() => {});
  const decoder = new TextDecoder();
  return {
    code: ended.code,
    output: decoder.decode(ended.stdout),
    errors: decoder.decode(ended.stderr),
  };
}

for (const name of AGENT_NAMES) {
  Deno.test(`${name}: a held file is denied while the agent leaves its pipe open`, async () => {
    await using mbus = new Mbus();
    const cwd = `${mbus.folder}/project`;
    await Deno.writeTextFile(`${cwd}/a.ts`, "1\n");
    await mbus.done(["lock", "a.ts", "--exclusive", "--session", "A"], { cwd });
    const write = (call: Pick<HookCall, "point"> & Partial<HookCall>) => {
      const event = name === "copilot" ? [eventAt(name, call.point)] : [];
      const input = { session: "B", cwd, path: `${cwd}/a.ts`, ...call };
      // Keeping the process alive must not wait for the pipe, either.
      const env = { MBUS_POPULATE_CODE_CACHE: "1", MBUS_SESSION: undefined };
      const text = JSON.stringify(inputOf(name, input));
      return openRun(mbus, [name, ...event], text, env);
    };
    await write({ point: "start" });
    const { code, output, errors } = await write({ point: "before-edit" });
    assert.deepEqual([code, errors], [0, ""]);
    assert.match(output, /deny/);
    assert.match(output, /holds exclusively/);
    const after = await write({ point: "after-edit" });
    assert.deepEqual([after.code, after.errors], [0, ""]);
    assert.deepEqual(readHookLog(mbus.home, 10), []);
  });

  Deno.test(`${name}: an incomplete or empty call gets a response and is logged`, async () => {
    await using mbus = new Mbus();
    for (const [at, text] of ["", '{"session_id":"B"'].entries()) {
      const { code, output, errors } = await openRun(mbus, [name], text, {
        MBUS_POPULATE_CODE_CACHE: "1",
      });
      assert.deepEqual(
        [code, output.trim(), errors],
        [0, AGENTS[name].neutral, ""],
      );
      const logged = readHookLog(mbus.home, 10);
      assert.equal(logged.length, at + 1);
      assert.match(logged[at].message, /JSON is incomplete/);
    }
  });

  Deno.test({
    name: `${name}: its hook does not wait for the pipe's end without mbus`,
    ignore: IGNORE,
    async fn() {
      const { neutral } = AGENTS[name];
      for (const shell of SHELLS) {
        for (const text of ["", '{"a":1}', '{"a":1}\n', "x".repeat(200_000)]) {
          const ran = await within(
            "the shell's end",
            runCommand(hookCommand(AGENTS[name]), { PATH: "" }, text, {
              shell,
              leavesOpen: true,
            }),
          );
          assert.deepEqual(
            [ran.code, ran.output.trim(), ran.errors],
            [0, neutral, ""],
          );
        }
      }
    },
  });
}

Deno.test("a call of 15 MB is denied while the pipe stays open", async () => {
  await using mbus = new Mbus();
  const cwd = `${mbus.folder}/project`;
  await Deno.writeTextFile(`${cwd}/a.ts`, "1\n");
  await mbus.done(["lock", "a.ts", "--exclusive", "--session", "A"], { cwd });
  const path = `${cwd}/a.ts`;
  const call = inputOf("claude", { point: "before-edit", session: "B", cwd }, {
    name: "Write",
    input: { content: '\\"}]\n'.repeat(2_000_000), file_path: path },
  });
  const text = JSON.stringify(call);
  assert.ok(text.length > 15_000_000);
  const { code, output } = await openRun(mbus, ["claude"], `${text}\n{`, {
    MBUS_SESSION: undefined,
  });
  assert.equal(code, 0);
  assert.match(output, /holds exclusively/);
});

Deno.test("a hook that wakes reads its call while the pipe stays open", async () => {
  await using mbus = new Mbus();
  const cwd = `${mbus.folder}/project`;
  const text = (point: "start" | "stop") =>
    JSON.stringify(inputOf("claude", { point, session: "ada", cwd }));
  const env = { MBUS_SESSION: undefined };
  await mbus.done(["hook", "claude"], { input: text("start"), env });
  await mbus.done(["hook", "claude"], { input: text("stop"), env });
  await mbus.done(["send", "chat", '"come"', "--to", "ada"]);
  const woken = await openRun(mbus, ["claude", "wake"], text("stop"), env);
  assert.equal(woken.code, 2);
  assert.match(woken.errors, /come/);
});

Deno.test("a hook that wakes gives up on an incomplete call", async () => {
  await using mbus = new Mbus();
  const half = await openRun(mbus, ["claude", "wake"], '{"session_id":', {
    MBUS_POPULATE_CODE_CACHE: "1",
  });
  assert.deepEqual([half.code, half.output, half.errors], [0, "", ""]);
  const [logged] = readHookLog(mbus.home, 10);
  assert.match(logged.message, /JSON is incomplete/);
});
