/**
 * Shell commands of agents in the real program: the hook's response and log.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readHookLog } from "../../lib/hooks/hook_log.ts";
import { Repository } from "../cli/repository.ts";

/** A tool call as an agent passes it to its hook. */
interface Call {
  readonly agent: "claude" | "gemini";
  readonly event: string;
  readonly tool?: string;
  readonly input?: Readonly<Record<string, string>>;
}

async function hook(
  repository: Repository,
  session: string,
  { agent, event, tool = "x", input = {} }: Call,
): Promise<string> {
  return await repository.done(["hook", agent], {
    cwd: repository.root,
    env: { MBUS_SESSION: undefined },
    input: JSON.stringify({
      session_id: session,
      hook_event_name: event,
      cwd: repository.root,
      tool_name: tool,
      tool_input: input,
      tool_use_id: `call-${event}`,
      source: "startup",
    }),
  });
}

/** Makes a repository in which session A holds `src/a.ts` exclusively. */
async function makeHeld(): Promise<Repository> {
  const repository = await Repository.make();
  Deno.mkdirSync(`${repository.root}/src`);
  Deno.writeTextFileSync(`${repository.root}/src/a.ts`, "1\n");
  for (const name of ["tmp", "other"]) {
    Deno.writeTextFileSync(`${repository.root}/${name}`, "2\n");
  }
  const start = { agent: "claude", event: "SessionStart" } as const;
  await hook(repository, "A", start);
  const lock = ["lock", "src/a.ts", "--exclusive", "--session", "A"];
  await repository.done(lock, { cwd: repository.root });
  return repository;
}

function bash(event: string, command: string): Call {
  return { agent: "claude", event, tool: "Bash", input: { command } };
}

for (
  const command of [
    "mv tmp src/a.ts",
    "cp tmp src/a.ts",
    "git checkout src/a.ts",
    "git checkout .",
  ]
) {
  Deno.test(`the hook denies \`${command}\` while another session holds src/a.ts`, async () => {
    await using repository = await makeHeld();
    const answer = await hook(repository, "B", bash("PreToolUse", command));
    assert.match(answer, /"deny"/);
    assert.match(answer, /holds exclusively/);
  });
}

Deno.test("the hook denies a write in the folder that the call names", async () => {
  await using repository = await makeHeld();
  const answer = await hook(repository, "G", {
    agent: "gemini",
    event: "BeforeTool",
    tool: "run_shell_command",
    input: { command: "echo 2 > a.ts", dir_path: "src" },
  });
  assert.match(answer, /"deny"/);
});

Deno.test("a plain cp leaves no log line for doctor to report", async () => {
  await using repository = await makeHeld();
  for (const command of ["cp tmp other", "mv tmp src/b.ts", "cp other src"]) {
    for (const event of ["PreToolUse", "PostToolUse"]) {
      const answer = await hook(repository, "B", bash(event, command));
      assert.doesNotMatch(answer, /"deny"/);
    }
  }
  assert.deepEqual(readHookLog(repository.home, 10), []);
});
