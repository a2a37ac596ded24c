/**
 * The activities of sessions: at work, idle, or in need of a person, as each
 * agent's hooks report them to `mbus hook`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES, type AgentName } from "../../lib/hooks/agents/agent.ts";
import type { SessionActivity } from "../../mod.ts";
import { Mbus } from "../cli/mbus.ts";
import { eventAt, type HookCall, inputOf } from "./calls.ts";
import { Scene } from "./scene.ts";

type Input = Readonly<Record<string, unknown>>;

/** Runs hooks of sessions, each in a process of its own. */
class Hooks implements AsyncDisposable {
  readonly mbus: Mbus = new Mbus();
  readonly project: string = Deno.realPathSync(`${this.mbus.folder}/project`);

  /** Answers a call of the agent's session `s-1`. */
  async call(
    agent: AgentName,
    call: Pick<HookCall, "point"> & Partial<HookCall>,
  ): Promise<string> {
    const path = `${this.project}/a.ts`;
    const at = { session: "s-1", cwd: this.project, path };
    const input = inputOf(agent, { ...at, ...call });
    return await this.answer(agent, input, eventAt(agent, call.point));
  }

  /** Answers a call with an input; the command line names Copilot's event. */
  async answer(
    agent: AgentName,
    input: Input,
    event = "notification",
  ): Promise<string> {
    const named = agent === "copilot" ? [event] : [];
    return await this.mbus.done(["hook", agent, ...named], {
      env: { MBUS_SESSION: undefined },
      input: JSON.stringify(input),
    });
  }

  /** Returns the state and the reason of a session. */
  async state(id = "s-1"): Promise<string> {
    const sessions = await this.mbus.json(["sessions", "--all-projects"]);
    const session = sessions.find((each) => each.id === id)!;
    const { state, why } = session.activity as unknown as SessionActivity;
    return why === undefined ? state : `${state}: ${why}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mbus[Symbol.asyncDispose]();
  }
}

/** The reports of each agent for the need of its person, with the reason. */
const NEEDS: Partial<Record<AgentName, readonly (readonly [Input, string])[]>> =
  {
    claude: [
      [
        { hook_event_name: "PermissionRequest", tool_name: "Bash" },
        "a permission for Bash",
      ],
      [
        { hook_event_name: "PermissionRequest", tool_name: "AskUserQuestion" },
        "a question",
      ],
      [
        {
          hook_event_name: "Notification",
          notification_type: "permission_prompt",
          message: "Claude needs your permission to use Bash",
        },
        "a permission",
      ],
      [{ hook_event_name: "StopFailure", error: "rate_limit" }, "a rate limit"],
      [
        { hook_event_name: "StopFailure", error: "unknown" },
        "an error that ended its turn",
      ],
    ],
    codex: [[
      { hook_event_name: "PermissionRequest", tool_name: "Bash" },
      "a permission for Bash",
    ]],
    gemini: [[
      {
        hook_event_name: "Notification",
        notification_type: "ToolPermission",
        message: "Allow?",
      },
      "a permission",
    ]],
    kimi: [
      [
        { hook_event_name: "PermissionRequest", tool_name: "Bash" },
        "a permission for Bash",
      ],
      [
        { hook_event_name: "StopFailure", error_type: "rate_limit" },
        "a rate limit",
      ],
    ],
    qwen: [[
      { hook_event_name: "PermissionRequest", tool_name: "edit" },
      "a permission for edit",
    ]],
    copilot: [[{ notification_type: "permission_prompt" }, "a permission"], [
      { notification_type: "elicitation_dialog" },
      "a question",
    ]],
    opencode: [[
      { type: "permission.asked", properties: { permission: "bash" } },
      "a permission for bash",
    ], [{ type: "question.asked", properties: {} }, "a question"]],
    droid: [[
      {
        hook_event_name: "Notification",
        message: "Droid needs your permission to use Execute",
      },
      "a permission",
    ]],
  };

/** Makes a report of the session `s-1` in an agent's form. */
function reportOf(agent: AgentName, cwd: string, report: Input): Input {
  if (agent !== "opencode") {
    const id = agent === "copilot" ? "sessionId" : "session_id";
    return { [id]: "s-1", cwd, ...report };
  }
  const properties = report.properties as Input;
  return {
    ev: "event",
    cwd,
    ...report,
    properties: { sessionID: "s-1", ...properties },
  };
}

for (const agent of AGENT_NAMES) {
  Deno.test(`${agent}: hooks report when a session works, rests and needs its person`, async () => {
    await using hooks = new Hooks();
    await hooks.call(agent, { point: "start" });
    assert.equal(await hooks.state(), "idle");
    await hooks.call(agent, { point: "prompt" });
    assert.equal(await hooks.state(), "working");
    const needs = NEEDS[agent] ?? [];
    for (const [report, why] of needs) {
      await hooks.answer(agent, reportOf(agent, hooks.project, report));
      assert.equal(await hooks.state(), `needs-person: ${why}`);
    }
    await hooks.call(agent, { point: "after-edit" });
    assert.equal(await hooks.state(), "working");
    await hooks.call(agent, { point: "stop" });
    assert.equal(await hooks.state(), "idle");
    await hooks.call(agent, { point: "before-edit" });
    assert.equal(await hooks.state(), "working");
  });
}

Deno.test("claude: other notifications change no activity, and an idle prompt ends work", async () => {
  await using hooks = new Hooks();
  await hooks.call("claude", { point: "prompt" });
  const notify = async (type: string) =>
    await hooks.answer(
      "claude",
      reportOf("claude", hooks.project, {
        hook_event_name: "Notification",
        notification_type: type,
        message: "x",
      }),
    );
  assert.equal(await notify("auth_success"), "");
  assert.equal(await hooks.state(), "working");
  await notify("idle_prompt");
  assert.equal(await hooks.state(), "idle");
});

Deno.test("kimi: an answered permission and an interrupt end the need of a person", async () => {
  await using hooks = new Hooks();
  const report = async (event: string) =>
    await hooks.answer(
      "kimi",
      reportOf("kimi", hooks.project, {
        hook_event_name: event,
        tool_name: "Bash",
      }),
    );
  await hooks.call("kimi", { point: "prompt" });
  await report("PermissionRequest");
  await report("PermissionResult");
  assert.equal(await hooks.state(), "working");
  await report("Interrupt");
  assert.equal(await hooks.state(), "idle");
});

const RECORDED: readonly (readonly [AgentName, string])[] = [
  ["claude", "claude-2.1.330/PermissionRequest"],
  ["gemini", "gemini-0.61.0/Notification"],
];

for (const [agent, file] of RECORDED) {
  Deno.test(`${agent}: its recorded ${file} shows the need of a person`, async () => {
    await using hooks = new Hooks();
    const path = new URL(`./fixtures/${file}.json`, import.meta.url);
    const recorded = JSON.parse(await Deno.readTextFile(path));
    await hooks.call(agent, { point: "prompt" });
    const input = { ...recorded, session_id: "s-1", cwd: hooks.project };
    await hooks.answer(agent, input);
    assert.match(await hooks.state(), /^needs-person: a permission/);
  });
}

Deno.test("the recorded notification of Qwen changes no activity", async () => {
  await using hooks = new Hooks();
  const recorded = JSON.parse(
    await Deno.readTextFile(
      new URL("./fixtures/qwen-0.24.4/Notification.json", import.meta.url),
    ),
  );
  await hooks.call("qwen", { point: "prompt" });
  const input = { ...recorded, session_id: "s-1", cwd: hooks.project };
  assert.equal((await hooks.answer("qwen", input)).trim(), "{}");
  assert.equal(await hooks.state(), "working");
});

Deno.test("a step of another agent of the session does not end the need of a person", async () => {
  await using scene = await Scene.open();
  const state = async () => (await scene.store.session("ada"))?.activity?.state;
  const ask = (agentId?: string) =>
    scene.call("ada", { kind: "activity", state: "needs-person", why: "x" }, {
      agentId,
    });
  const path = scene.write("a.ts", "a");
  await scene.call("ada", { kind: "prompt" });
  await ask();
  await scene.after("ada", [path], { agentId: "sub" });
  assert.equal(await state(), "needs-person");
  await scene.before("ada", [path], { agentId: "sub" });
  assert.equal(await state(), "needs-person");
  await scene.after("ada", [path]);
  assert.equal(await state(), "working");
  await ask("sub");
  await scene.after("ada", [path]);
  assert.equal(await state(), "needs-person");
  await scene.after("ada", [path], { agentId: "sub" });
  assert.equal(await state(), "working");
});

Deno.test("an activity keeps its time until it changes, and steps in between write nothing", async () => {
  await using scene = await Scene.open();
  const seen = async () => (await scene.store.session("ada"))!;
  await scene.call("ada", { kind: "prompt" });
  const { activity, heartbeatAt } = await seen();
  scene.clock.advance(1_000);
  await scene.call("ada", { kind: "prompt" });
  assert.deepEqual(await seen(), { ...await seen(), activity, heartbeatAt });
  scene.clock.advance(60_000);
  await scene.call("ada", { kind: "prompt" });
  assert.deepEqual((await seen()).activity, activity);
  assert.notEqual((await seen()).heartbeatAt, heartbeatAt);
});
