/**
 * Registration by hooks: which sessions join the bus, and under which ids they
 * come again.
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { AGENT_NAMES, type AgentName } from "../../lib/hooks/agents/agent.ts";
import { processEntry } from "../../lib/process/processes.ts";
import { Mbus } from "../cli/mbus.ts";
import { runAsAgent } from "./agent_shell.ts";
import type { HookCall } from "./calls.ts";

const IGNORE = Deno.build.os !== "linux";

/** Makes a fresh bus and a project on a branch. */
async function withProject(
  use: (mbus: Mbus, project: string) => Promise<void>,
): Promise<void> {
  await using mbus = new Mbus();
  const project = Deno.realPathSync(`${mbus.folder}/project`);
  Deno.mkdirSync(`${project}/.git`);
  Deno.writeTextFileSync(`${project}/.git/HEAD`, "ref: refs/heads/topic\n");
  Deno.writeTextFileSync(`${project}/a.ts`, "a\n");
  await use(mbus, project);
}

/** Reads the database as another program would. */
function withDatabase<T>(mbus: Mbus, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(mbus.database);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

function called(
  point: HookCall["point"],
  cwd: string,
  more: Partial<HookCall> = {},
): HookCall {
  return { point, session: "s-1", cwd, path: `${cwd}/a.ts`, ...more };
}

/** The models by the contracts; other agents send none to their hooks. */
const MODELS: Partial<Record<AgentName, string>> = {
  codex: "gpt-5.5",
  cursor: "some-model",
};

for (const agent of AGENT_NAMES) {
  for (const point of ["start", "before-edit"] as const) {
    Deno.test({
      name: `${agent}: the first call, ${point}, registers the session`,
      ignore: IGNORE,
      fn: () =>
        withProject(async (mbus, project) => {
          const call = called(point, project);
          const run = await runAsAgent(mbus, agent, [call]);
          assert.equal(run.sessions.length, 1);
          const [session] = run.sessions;
          assert.equal(session.id, "s-1");
          assert.equal(session.vendor, agent);
          assert.equal(session.model, MODELS[agent]);
          assert.equal(session.project, project);
          assert.equal(session.worktree, project);
          assert.equal(session.branch, "topic");
          assert.equal(session.status, "active");
          assert.equal(session.pid, run.pid);
          assert.equal(session.processStart, run.processStart);
          const active = point === "start" ? [] : [`${project}/a.ts`];
          assert.deepEqual(session.activeFiles, active);
        }),
    });
  }

  Deno.test({
    name: `${agent}: its session has the terminal of its process`,
    ignore: IGNORE,
    fn: () =>
      withProject(async (mbus, project) => {
        const call = called("start", project);
        const run = await runAsAgent(mbus, agent, [call], { onTerminal: true });
        assert.match(run.terminal, /^pts\/\d+$/);
        assert.equal(run.sessions[0].tty, run.terminal);
      }),
  });

  Deno.test({
    name: `${agent}: its later calls belong to the same session`,
    ignore: IGNORE,
    fn: () =>
      withProject(async (mbus, project) => {
        const points = [
          "start",
          "prompt",
          "before-edit",
          "after-edit",
        ] as const;
        const run = await runAsAgent(
          mbus,
          agent,
          [...points, "start" as const, "stop" as const].map((point) =>
            called(point, project, { source: "compact" })
          ),
        );
        assert.deepEqual(
          run.sessions.map(({ id, status }) => [id, status]),
          [["s-1", "idle"]],
        );
        const ended = await runAsAgent(mbus, agent, [called("end", project)]);
        // The end of another process is not the session's; it died by itself.
        assert.deepEqual(ended.sessions.map(({ id }) => id), ["s-1"]);
      }),
  });

  Deno.test({
    name: `${agent}: a resumed session keeps its id`,
    ignore: IGNORE,
    fn: () =>
      withProject(async (mbus, project) => {
        const first = await runAsAgent(mbus, agent, [
          called("start", project),
          called("end", project),
        ]);
        assert.deepEqual(first.sessions.map(({ status }) => status), [
          "terminated",
        ]);
        const second = await runAsAgent(mbus, agent, [
          called("start", project, { source: "resume" }),
        ]);
        assert.deepEqual(
          second.sessions.map(({ id, status }) => [id, status]),
          [["s-1", "active"]],
        );
        assert.equal(second.sessions[0].pid, second.pid);
        assert.notEqual(second.pid, first.pid);
      }),
  });
}

Deno.test({
  name: "a cleared session ends, and a forked one does not",
  ignore: IGNORE,
  fn: () =>
    withProject(async (mbus, project) => {
      const run = await runAsAgent(mbus, "claude", [
        called("start", project, { session: "first" }),
        // At a clear, the agent ends one session and starts another.
        called("end", project, { session: "first" }),
        called("start", project, { session: "second", source: "clear" }),
        called("start", project, { session: "third", source: "fork" }),
      ]);
      const status = Object.fromEntries(
        run.sessions.map(({ id, status }) => [id, status]),
      );
      assert.deepEqual(status, {
        first: "terminated",
        second: "active",
        third: "active",
      });
    }),
});

Deno.test({
  name: "two processes with one session id are two sessions",
  ignore: IGNORE,
  fn: () =>
    withProject(async (mbus, project) => {
      const start = called("start", project);
      await runAsAgent(mbus, "claude", [start]);
      // By all signs its process is another one, and lives on.
      await using other = new Deno.Command("sleep", { args: ["600"] }).spawn();
      const started = processEntry(other.pid)?.startTime ?? null;
      withDatabase(mbus, (db) =>
        db.prepare(
          `UPDATE session_registry SET status = 'active', ended_at = NULL,
             pid = ?, process_start = ? WHERE session_id = 's-1'`,
        ).run(other.pid, started));
      const run = await runAsAgent(mbus, "claude", [
        start,
        called("before-edit", project),
      ]);
      const pids = Object.fromEntries(
        run.sessions.filter(({ status }) => status !== "terminated")
          .map(({ id, pid }) => [id, pid]),
      );
      assert.deepEqual(pids, { "s-1": other.pid, "s-1~2": run.pid });
      const second = run.sessions.find(({ id }) => id === "s-1~2");
      assert.deepEqual(second?.activeFiles, [`${project}/a.ts`]);
    }),
});

for (const agent of AGENT_NAMES) {
  // In the recordings, these agents report no subagents.
  if (agent === "gemini" || agent === "kimi" || agent === "cursor") continue;
  Deno.test({
    name: `${agent}: a subagent is told apart within its session`,
    ignore: IGNORE,
    fn: () =>
      withProject(async (mbus, project) => {
        const run = await runAsAgent(mbus, agent, [
          called("start", project),
          called("before-edit", project),
          called("before-edit", project, { agentId: "helper-1" }),
        ]);
        assert.deepEqual(run.sessions.map(({ id }) => id), ["s-1"]);
        assert.doesNotMatch(run.answers[2], /deny/);
        const rows = withDatabase(mbus, (db) =>
          db.prepare(
            "SELECT session_id, agent_id FROM file_locks ORDER BY agent_id",
          ).all());
        assert.deepEqual(rows.map((row) => ({ ...row })), [
          { session_id: "s-1", agent_id: "" },
          { session_id: "s-1", agent_id: "helper-1" },
        ]);
      }),
  });
}
