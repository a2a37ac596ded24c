/**
 * Real agents switch the branch of a worktree with another session.
 *
 * Ada works on a file of the worktree.
 *
 * | step | the model | before the step |
 * | --- | --- | --- |
 * | 0 | switches the branch | Ada is working on a file |
 * | 1 | retries | the switch was denied with its reason |
 * | 2 | switches back | the retry passed; Ada holds another file exclusively |
 * | 3 | retries | the switch was denied |
 * | 4 | ends | the retry was denied |
 *
 * @module
 */

import assert from "node:assert/strict";
import { run } from "../../fixture.ts";
import { STORY as CLAUDE } from "./claude_story.ts";
import { STORY as CODEX } from "./codex_story.ts";
import type { AgentStory } from "./agent_story.ts";
import { STORY as GEMINI } from "./gemini_story.ts";
import { startLoopback } from "./loopback.ts";
import { findProgram, type Program } from "./program.ts";
import { runStory } from "./story_run.ts";
import { Workplace } from "./workplace.ts";

const HOLDER = "ada-at-work";

for (const story of [CLAUDE, CODEX, GEMINI]) {
  const program = await findProgram(story.name);
  const isMissing = "missing" in program;
  const name =
    `the real ${story.name} is denied a branch switch under another session`;
  Deno.test({
    name: isMissing ? `${name} (${program.missing})` : name,
    ignore: isMissing,
    fn: async () => {
      if (!isMissing) await switchBranches(story, program);
    },
  });
}

async function switchBranches(
  story: AgentStory,
  program: Program,
): Promise<void> {
  await using place = await Workplace.make();
  const { project } = place;
  const git = async (...args: string[]) =>
    (await run("git", ["-C", project, ...args])).trim();
  const branch = () => git("rev-parse", "--abbrev-ref", "HEAD");
  const identity = ["-c", "user.name=n", "-c", "user.email=e"];
  await git(...identity, "commit", "-q", "--allow-empty", "-m", "first");
  await git("branch", "next");

  const ada = await place.openBus(HOLDER);
  await ada.locks.acquire(`${project}/a.md`);
  const branches: string[] = [];
  let shown: string | undefined;
  const record = async () => void branches.push(await branch());
  const loopback = startLoopback([
    { turn: story.shell("git switch next") },
    { turn: story.shell("git switch next"), before: record },
    {
      turn: story.shell("git switch main"),
      before: async () => {
        await record();
        const sessions = await ada.sessions.list();
        shown = sessions.find(({ id }) => id !== HOLDER)?.branch;
        await ada.locks.acquire(`${project}/b.md`, { type: "exclusive" });
      },
    },
    { turn: story.shell("git switch main"), before: record },
    { turn: { say: "I am done." }, before: record },
  ], place.root);
  await using server = loopback.server;
  const output = await runStory(
    place,
    story,
    program,
    loopback,
    "Switch, please.",
  );
  assert.deepEqual(branches, ["main", "next", "next", "next"], output);
  assert.equal(shown, "next");
  assert.match(
    server.textAt(1),
    /`git switch next` changes the whole worktree \S+ \(branch main\), where ada-at-work \(person\) is working on a\.md/,
  );
  for (const step of [3, 4]) {
    assert.match(
      server.textAt(step),
      /`git switch main` changes .*ada-at-work \(person\) holds exclusively/,
    );
  }
  assert.equal(await place.hookErrors(), "");
}
