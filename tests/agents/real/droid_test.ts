/**
 * Droid works beside another session, by `droid exec`, which calls no prompt
 * hook and cannot resume a session without a network.
 *
 * @module
 */

import assert from "node:assert/strict";
import { until } from "../../fixture.ts";
import { AgentRun, isWithin } from "./agent_run.ts";
import { BEFORE, HOLDER, MESSAGE, WHY } from "./agent_story.ts";
import { startLoopback } from "./loopback.ts";
import { findProgram, type Program } from "./program.ts";
import type { Turn } from "./wire.ts";
import { Workplace } from "./workplace.ts";

const NAME = "the real droid is registered, denied and told";
const program = await findProgram("droid");
if ("missing" in program) {
  Deno.test.ignore(`${NAME} (${program.missing})`, () => {});
} else {
  Deno.test(NAME, () => runDroid(program));
}

const ENV = {
  FACTORY_AIRGAP_ENABLED: "1",
  FACTORY_API_KEY: "fk-none",
  FACTORY_DISABLE_KEYRING: "1",
  FACTORY_DROID_AUTO_UPDATE_ENABLED: "0",
};

async function runDroid({ commands, nodeCommands }: Program): Promise<void> {
  await using place = await Workplace.make();
  const ada = await place.openBus(HOLDER);
  const [first, second] = ["a.md", "b.md"].map((name) =>
    `${place.project}/${name}`
  );
  await Deno.writeTextFile(first, BEFORE);
  await Deno.writeTextFile(second, BEFORE);
  const hold = (path: string) =>
    ada.locks.acquire(path, { type: "exclusive", why: WHY });
  const held = await hold(first);
  await hold(second);
  const edited: string[] = [];
  const runs: AgentRun[] = [];
  const session = async () => {
    const sessions = await ada.sessions.list();
    return sessions.find(({ id }) => id !== HOLDER);
  };

  const record = async () => {
    const found = await session();
    assert.equal(found?.vendor, "droid");
    assert.ok(found?.pid !== undefined);
    assert.ok(await isWithin(found.pid, runs[0].pid));
  };
  const free = async () => {
    edited.push(await Deno.readTextFile(first));
    await held.release();
    const to = (await session())?.id;
    await ada.publish("chat", MESSAGE, { to });
  };
  const lookAtFirst = async () => {
    edited.push(await Deno.readTextFile(first));
  };
  const lookAtSecond = async () => {
    edited.push(await Deno.readTextFile(second));
  };
  const edit: Turn = {
    tool: "Edit",
    input: { file_path: first, old_str: "one", new_str: "two" },
  };
  const loopback = startLoopback([
    { turn: { tool: "Read", input: { file_path: first } } },
    { turn: edit, before: record },
    { turn: edit, before: free },
    { turn: shell(`cp ${first} ${second}`), before: lookAtFirst },
    { turn: { say: "I am done." }, before: lookAtSecond },
  ], place.root);
  await using server = loopback.server;
  await place.configure(
    ".factory/settings.json",
    JSON.stringify({
      customModels: [{
        model: "scripted",
        displayName: "Scripted",
        baseUrl: loopback.url,
        apiKey: "none",
        provider: "anthropic",
        maxOutputTokens: 4096,
      }],
    }),
  );
  await place.installHooks("droid");
  const run = new AgentRun({
    command: [
      ...loopback.prefix,
      ...["droid", "exec", "--skip-permissions-unsafe"],
      ...["-m", "custom:scripted", "Change one to two, please."],
    ],
    cwd: place.project,
    env: { ...place.env([commands, nodeCommands]), ...loopback.env, ...ENV },
  });
  runs.push(run);
  const { code, output } = await run.ended;

  assert.equal(code, 0, output);
  assert.deepEqual(server.failures, []);
  assert.deepEqual(edited, [BEFORE, "two\n", BEFORE]);
  assert.match(server.textAt(2), /ada-at-work \(person\) holds exclusively/);
  assert.match(server.textAt(2), new RegExp(WHY));
  assert.match(server.textAt(3), new RegExp(MESSAGE));
  assert.match(server.textAt(4), /holds exclusively \S*\/b\.md/);
  assert.equal(await place.hookErrors(), "");
  await until("the session to end", async () => await session() === undefined);
}

function shell(command: string): Turn {
  return {
    tool: "Execute",
    input: {
      command,
      summary: "copy",
      riskLevel: "low",
      riskLevelReason: "it writes a file",
    },
  };
}
