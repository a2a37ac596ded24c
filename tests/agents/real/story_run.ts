/**
 * One run of a real agent with a scripted model.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AgentRun } from "./agent_run.ts";
import type { AgentStory } from "./agent_story.ts";
import type { startLoopback } from "./loopback.ts";
import type { Program } from "./program.ts";
import type { Workplace } from "./workplace.ts";

/** Runs an agent, asserts that it exits with 0, and returns its output. */
export async function runStory(
  place: Workplace,
  story: AgentStory,
  { commands, nodeCommands }: Program,
  loopback: ReturnType<typeof startLoopback>,
  prompt: string,
): Promise<string> {
  await story.configure(place, loopback.url);
  await place.installHooks(story.name);
  const { code, output } = await new AgentRun({
    command: [...loopback.prefix, ...story.start(prompt)],
    cwd: place.project,
    env: {
      ...place.env([commands, nodeCommands]),
      ...loopback.env,
      ...story.env(loopback.url),
    },
  }).ended;
  assert.deepEqual(loopback.server.failures, [], output);
  assert.equal(code, 0, output);
  return output;
}
