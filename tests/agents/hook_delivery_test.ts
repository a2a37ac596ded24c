/**
 * The traces of a hook: texts are marked as told only when written, the log stays
 * small, and an agent's input is not kept.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import { respondToInput } from "../../lib/hooks/hook.ts";
import { HookLog, hookLogPath, readHookLog } from "../../lib/hooks/hook_log.ts";
import { openBus } from "../../mod.ts";
import { Mbus } from "../cli/mbus.ts";
import { eventAt, type HookCall, inputOf } from "./calls.ts";

/** Makes a folder that is removed at the end. */
function temporary(): { path: string } & Disposable {
  const path = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-hook-" }),
  );
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

function prompt(cwd: string): string {
  return JSON.stringify(
    inputOf("claude", { point: "prompt", session: "ada", cwd }),
  );
}

Deno.test("a message whose response could not be written is told again", async () => {
  using folder = temporary();
  const home = `${folder.path}/bus`;
  const call = async (write: (text: string) => void) =>
    await respondToInput(
      "claude",
      { read: () => prompt(folder.path), write },
      { home },
    );
  await call(() => {});
  await using bus = await openBus({ home, session: "bob", project: null });
  const { id } = await bus.publish("chat", "hello ada", { to: "ada" });
  await call(() => {
    throw new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
  });
  const delivery = async () => (await bus.delivery(id))?.state;
  assert.equal(await delivery(), "queued");
  const [line, ...more] = readHookLog(home, 10);
  assert.deepEqual(more, []);
  assert.match(line.message, /Broken pipe/);
  // The hook that claimed it may be about to write it, so the next one waits.
  takenLongAgo(home);
  let told = "";
  await call((text) => void (told += text));
  assert.match(told, /hello ada/);
  assert.equal(await delivery(), "injected");
});

Deno.test("a denial whose response could not be written is given again", async () => {
  using folder = temporary();
  const home = `${folder.path}/bus`;
  const path = `${folder.path}/a.ts`;
  Deno.writeTextFileSync(path, "a");
  const edit = async (
    session: string,
    callId: string,
    write: (text: string) => void,
  ) => {
    const input = inputOf("claude", {
      point: "before-edit",
      session,
      cwd: folder.path,
      path,
      callId,
    });
    await respondToInput(
      "claude",
      { read: () => JSON.stringify(input), write },
      { home },
    );
  };
  await edit("bob", "1", () => {});
  await edit("ada", "2", () => {
    throw new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
  });
  let answers = "";
  await edit("ada", "3", (text) => void (answers += text));
  assert.match(answers, /"deny"/);
  answers = "";
  await edit("ada", "4", (text) => void (answers += text));
  assert.equal(answers.trim(), "");
});

/** Makes a claim look a minute old. */
function takenLongAgo(home: string): void {
  const db = new DatabaseSync(`${home}/db/messaging.db`);
  try {
    db.prepare(
      `UPDATE session_notes SET value = ? || substr(value, instr(value, ' '))
       WHERE key = 'context-claimed'`,
    ).run(String(Date.now() - 60_000));
  } finally {
    db.close();
  }
}

Deno.test("a call of Copilot with hooks in Claude's settings, too, is denied by both, and its retry passes", async () => {
  using folder = temporary();
  const home = `${folder.path}/bus`;
  const path = `${folder.path}/a.ts`;
  Deno.writeTextFileSync(path, "a");
  const hook = async (
    wiring: "claude" | "copilot",
    input: Record<string, unknown>,
  ): Promise<string> => {
    let answer = "";
    await respondToInput(
      wiring,
      {
        read: () => JSON.stringify({ ...input, cwd: folder.path }),
        write: (text) => void (answer += text),
      },
      { home, event: wiring === "copilot" ? "preToolUse" : undefined },
    );
    return answer.trim();
  };
  const args = { path, old_str: "a", new_str: "b" };
  const asCopilot = (session: string) =>
    hook("copilot", {
      sessionId: session,
      timestamp: 1795368039786,
      toolName: "edit",
      toolArgs: args,
    });
  const asClaude = (session: string) =>
    hook("claude", {
      session_id: session,
      timestamp: "2026-11-22T17:27:43.964Z",
      hook_event_name: "PreToolUse",
      tool_name: "Edit",
      tool_input: args,
    });
  assert.equal(await asCopilot("bob"), "{}");
  assert.equal(await asClaude("bob"), "{}");
  const denied = [await asCopilot("ada"), await asClaude("ada")];
  for (const answer of denied) {
    assert.equal(JSON.parse(answer).permissionDecision, "deny");
  }
  assert.deepEqual([await asCopilot("ada"), await asClaude("ada")], [
    "{}",
    "{}",
  ]);
});

Deno.test({
  name:
    "a full device for an answer: exit code 0, a line in the log, nothing told",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using mbus = new Mbus();
    const input = prompt(`${mbus.folder}/project`);
    const env = { MBUS_SESSION: undefined };
    await mbus.done(["hook", "claude"], { input, env });
    await mbus.done(["send", "chat", '"hello ada"', "--to", "ada"]);
    const { code, stderr } = await mbus.run(["hook", "claude"], {
      input,
      env,
      through: ["sh", "-c", '"$@" > /dev/full', "sh"],
    });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const [line] = readHookLog(mbus.home, 10);
    assert.match(line.message, /No space left/);
    const inbox = await mbus.json(["inbox", "--session", "ada"]);
    assert.equal(inbox.length, 1);
    const db = new DatabaseSync(mbus.database);
    try {
      const row = db.prepare("SELECT state FROM deliveries").get();
      assert.ok(row?.state !== "injected");
    } finally {
      db.close();
    }
  },
});

Deno.test("the log is renamed at 1 MB, keeps one predecessor, and cuts long lines", () => {
  using folder = temporary();
  const log = new HookLog(folder.path, "claude");
  log.add(new Error("x".repeat(10_000)));
  const path = hookLogPath(folder.path);
  assert.ok(Deno.statSync(path).size < 1_000);
  assert.equal((Deno.statSync(path).mode ?? 0o600) & 0o777, 0o600);
  const line = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, line.repeat(Math.ceil(1e6 / line.length)));
  log.add("the first of a new file");
  assert.equal(readHookLog(folder.path, 10).length, 1);
  assert.ok(Deno.statSync(`${path}.1`).size >= 1e6);
  Deno.writeTextFileSync(path, line.repeat(Math.ceil(1e6 / line.length)));
  log.add("and of the next");
  assert.deepEqual(
    [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(),
    ["hooks.log", "hooks.log.1"],
  );
  assert.equal(readHookLog(folder.path, 10)[0].message, "and of the next");
});

Deno.test("no prompt, command, content or result of an agent is kept", async () => {
  using folder = temporary();
  const home = `${folder.path}/bus`;
  const project = `${folder.path}/project`;
  Deno.mkdirSync(project);
  Deno.writeTextFileSync(`${project}/a.ts`, "SECRET content");
  for (const agent of AGENT_NAMES) {
    const session = `s-${agent}`;
    const calls: HookCall[] = ([
      "start",
      "prompt",
      "before-edit",
      "after-edit",
      "after-read",
      "before-shell",
      "after-shell",
      "stop",
    ] as const).map((point) => ({
      point,
      session,
      cwd: project,
      path: `${project}/a.ts`,
      command: "echo SECRET > a.ts # SECRET",
    }));
    for (const call of calls) {
      const text = JSON.stringify(inputOf(agent, call))
        .replaceAll('"do it"', '"SECRET prompt"')
        .replaceAll(/"(?:a|b)"/g, '"SECRET edit"')
        .replaceAll("\\n+b", "\\n+SECRET")
        .replaceAll("\\n-a", "\\n-SECRET")
        .replaceAll('"tool_response":{}', '"tool_response":"SECRET result"')
        .replaceAll('""', '"SECRET result"');
      const event = agent === "copilot"
        ? eventAt(agent, call.point)
        : undefined;
      await respondToInput(
        agent,
        { read: () => text, write: () => {} },
        { home, event },
      );
    }
  }
  // In any table, the log, or a bell.
  const db = new DatabaseSync(`${home}/db/messaging.db`);
  try {
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const sessions = db.prepare("SELECT count(*) AS n FROM session_registry")
      .get();
    assert.equal(sessions?.n, AGENT_NAMES.length);
  } finally {
    db.close();
  }
  for (const path of filesBelow(home)) {
    const bytes = Deno.readFileSync(path);
    const text = new TextDecoder("latin1").decode(bytes);
    const at = text.indexOf("SECRET");
    assert.equal(at < 0 ? "" : text.slice(at - 60, at + 40), "", path);
  }
});

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}
