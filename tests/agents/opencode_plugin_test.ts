/**
 * The opencode plugin, loaded and called as by both generations of opencode. A
 * program in place of `mbus` records its calls.
 *
 * @module
 */

import assert from "node:assert/strict";
import { opencode } from "../../lib/hooks/agents/opencode.ts";
import { opencodePlugin } from "../../lib/install/agents/opencode_plugin.ts";

const IGNORE = Deno.build.os === "windows";
const HEAD = `const { default: plugin } = await import(Deno.args[0]);
const say = (value) => console.log(JSON.stringify(value));
const failed = async (call) => {
  try { await call(); } catch (error) { return error.message; }
};
`;

interface Ran {
  /** The script's output, by line. */
  readonly said: readonly unknown[];
  /** The input of `mbus`, by call. */
  readonly asked: readonly Record<string, unknown>[];
}

/** Loads the plugin in a process of its own, where `mbus` prints this answer. */
async function run(answer: string, script: string): Promise<Ran> {
  const folder = await Deno.makeTempDir();
  try {
    const log = `${folder}/log`;
    await Deno.writeTextFile(`${folder}/plugin.mjs`, opencodePlugin());
    await Deno.writeTextFile(`${folder}/script.mjs`, HEAD + script);
    await Deno.writeTextFile(`${folder}/answer`, answer);
    await Deno.writeTextFile(
      `${folder}/mbus`,
      '#!/bin/sh\n[ "$*" = "hook opencode" ] || exit 1\n' +
        `while read -r l || [ -n "$l" ]; do printf '%s\\n' "$l"; done ` +
        `>> '${log}'\n` +
        `while read -r l || [ -n "$l" ]; do printf '%s\\n' "$l"; done ` +
        `< '${folder}/answer'\n`,
    );
    await Deno.chmod(`${folder}/mbus`, 0o755);
    const plugin = new URL(`file://${folder}/plugin.mjs`).href;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", `${folder}/script.mjs`, plugin],
      env: { PATH: folder },
    }).output();
    const decoder = new TextDecoder();
    assert.equal(code, 0, decoder.decode(stderr));
    return {
      said: linesOf(decoder.decode(stdout)),
      asked: linesOf(await readLog(log)) as Record<string, unknown>[],
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function readLog(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}

function linesOf(text: string): unknown[] {
  return text.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

const V1 = `const hooks = await plugin.server({ directory: "/p", client: {
  session: { prompt: async (request) => say(request) },
  tui: { showToast: async (request) => say(request) } } });
`;

Deno.test({
  name: "the plugin denies an edit with the reason (1.x)",
  ignore: IGNORE,
  async fn() {
    const { said, asked } = await run(
      '{"deny":"held by codex"}',
      `${V1}say(await failed(() => hooks["tool.execute.before"](
        { tool: "write", sessionID: "s", callID: "c" },
        { args: { filePath: "/p/a", content: "secret" } })));`,
    );
    assert.deepEqual(said, ["held by codex"]);
    assert.equal(asked.length, 1);
    assert.ok(!JSON.stringify(asked).includes("secret"));
    assert.deepEqual(opencode.parse(asked[0], () => undefined), {
      agent: "opencode",
      event: "tool.execute.before",
      sessionId: "s",
      cwd: "/p",
      kind: "before-tool",
      tool: { name: "write", callId: "c", kind: "edit", paths: ["/p/a"] },
    });
  },
});

Deno.test({
  name: "the plugin shows the person a notice beside a denial (1.x)",
  ignore: IGNORE,
  async fn() {
    const edit = `say(await failed(() => hooks["tool.execute.before"](
      { tool: "write", sessionID: "s" }, { args: { filePath: "/p/a" } })));`;
    const answer = '{"deny":"held","notice":"codex holds a"}';
    const shown = await run(answer, V1 + edit);
    const toast = { body: { message: "codex holds a", variant: "warning" } };
    assert.deepEqual(shown.said, [toast, "held"]);
    // A client that cannot show it changes nothing.
    const without = `const hooks = await plugin.server({ client: {
      tui: { showToast: async () => { throw new Error("no terminal"); } },
    } });\n`;
    assert.deepEqual((await run(answer, without + edit)).said, ["held"]);
  },
});

Deno.test({
  name: "the plugin passes on a shell's folder and other tools' paths (1.x)",
  ignore: IGNORE,
  async fn() {
    const { said, asked } = await run(
      '{"deny":"held by codex"}',
      `${V1}const before = (tool, args) => failed(() =>
        hooks["tool.execute.before"](
          { tool, sessionID: "s", callID: "c" }, { args }));
      say(await before("bash", { command: "make", workdir: "src",
        run_in_background: true, description: "secret" }));
      say(await before("serena_move_file", { relative_path: "a",
        destination: "b", content: "secret" }));
      say(await before("multi", { explanation: "secret", replacements: [
        { filePath: "a", newString: "secret" }, { newString: "secret" }],
        paths: ["b", 7, ["c"], "secret".repeat(1000)], deep: { er: { path: "d" } },
        options: { uri: "file:///e", text: "secret" } }));
      say(await before("bus_inbox", { q: "secret" }) ?? "passed");
      say(await before("grep", { path: "a" }) ?? "passed");
      say(await before("read", { filePath: "a" }) ?? "passed");`,
    );
    const deny = "held by codex";
    assert.deepEqual(said, [deny, deny, deny, "passed", "passed", "passed"]);
    assert.ok(!JSON.stringify(asked).includes("secret"));
    const tools = asked.map((each) => {
      const event = opencode.parse(each, () => undefined);
      assert.ok(event.kind === "before-tool");
      return event.tool;
    });
    const call = { callId: "c" };
    assert.deepEqual(tools, [
      {
        ...call,
        name: "bash",
        kind: "shell",
        paths: [],
        command: "make",
        folder: "src",
        isBackground: true,
      },
      { ...call, name: "serena_move_file", kind: "edit", paths: ["a", "b"] },
      {
        ...call,
        name: "multi",
        kind: "other",
        paths: ["b", "a", "/e"],
      },
    ]);
  },
});

Deno.test({
  name: "the plugin puts context behind output and prompts (1.x)",
  ignore: IGNORE,
  async fn() {
    const { said, asked } = await run(
      '{"context":"[message-bus] hi"}',
      `${V1}const output = { output: "done", metadata: { exit: 0 } };
      await hooks["tool.execute.after"](
        { tool: "bash", sessionID: "s", callID: "c", args: { command: "ls" } },
        output);
      const parts = [{ type: "text", text: "do it" }];
      await hooks["chat.message"]({ sessionID: "s" },
        { message: { model: { modelID: "m" } }, parts });
      await hooks["tool.execute.after"](
        { tool: "webfetch", sessionID: "s", callID: "c", args: {} }, {});
      say([output.output, parts[0].text]);`,
    );
    assert.deepEqual(said, [[
      "done\n\n[message-bus] hi",
      "do it\n\n[message-bus] hi",
    ]]);
    const events = asked.map((each) => opencode.parse(each, () => undefined));
    assert.deepEqual(events.map(({ kind }) => kind), ["after-tool", "prompt"]);
    assert.equal(events[1].model, "m");
    assert.ok(!JSON.stringify(asked).includes("do it"));
  },
});

Deno.test({
  name: "the plugin remembers parents and goes on with an idle session (1.x)",
  ignore: IGNORE,
  async fn() {
    const { said, asked } = await run(
      '{"continueWith":"[message-bus] go on"}',
      `${V1}const happen = (type, properties) =>
        hooks.event({ event: { type, properties } });
      await happen("session.created", { info: { id: "b", parentID: "a" } });
      await happen("session.idle", { sessionID: "b" });
      await happen("session.status", { sessionID: "b" });`,
    );
    const request = {
      path: { id: "b" },
      body: { parts: [{ type: "text", text: "[message-bus] go on" }] },
    };
    assert.deepEqual(said, [request, request]);
    const events = asked.map((each) => opencode.parse(each, () => undefined));
    assert.deepEqual(
      events.map(({ kind, sessionId, agentId }) => [kind, sessionId, agentId]),
      [["other", "a", "b"], ["stop", "a", "b"]],
    );
  },
});

Deno.test({
  name: "the plugin lets every call pass without a valid answer (1.x)",
  ignore: IGNORE,
  async fn() {
    for (const answer of ["", "{", "null", "[]", '{"deny":1}', "{}"]) {
      const { said } = await run(
        answer,
        `${V1}say(await failed(() => hooks["tool.execute.before"](
          { tool: "bash", sessionID: "s", callID: "c" },
          { args: { command: "ls" } })) ?? "passed");`,
      );
      assert.deepEqual(said, ["passed"]);
    }
  },
});

Deno.test({
  name: "the plugin lets every call pass without mbus (1.x)",
  ignore: IGNORE,
  async fn() {
    const { said, asked } = await run(
      '{"deny":"no"}',
      `process.env.PATH = "/nowhere"; Deno.env.set("PATH", "/nowhere");
      ${V1}say(await failed(() => hooks["tool.execute.before"](
        { tool: "write", sessionID: "s", callID: "c" },
        { args: { filePath: "a" } })) ?? "passed");`,
    );
    assert.deepEqual(said, ["passed"]);
    assert.deepEqual(asked, []);
  },
});

Deno.test({
  name: "the plugin sets itself up in 2.x",
  ignore: IGNORE,
  async fn() {
    const { said, asked } = await run(
      '{"deny":"held","context":"[message-bus] hi"}',
      `const hooks = {};
      const hook = async (name, call) => { hooks[name] = call; };
      await plugin.setup({ tool: { hook }, session: { hook,
        synthetic: async (request) => say(request) } });
      say(Object.keys(hooks));
      say(await failed(() => hooks["execute.before"](
        { tool: "edit", sessionID: "s", id: "c", input: { path: "a" } })));
      await hooks["execute.after"]({ tool: "edit", sessionID: "s", id: "c",
        input: { path: "a" }, status: "completed", result: {} });
      const event = { sessionID: "s", prompt: { text: "do it" } };
      await hooks.prompt(event);
      say(event.prompt.text);`,
    );
    assert.deepEqual(said, [
      ["execute.before", "execute.after", "prompt"],
      "held",
      { sessionID: "s", text: "[message-bus] hi", resume: false },
      "do it\n\n[message-bus] hi",
    ]);
    const events = asked.map((each) => opencode.parse(each, () => undefined));
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ["before-tool", "after-tool", "prompt"],
    );
  },
});
