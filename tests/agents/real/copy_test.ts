/**
 * Real agents copy and move a file onto one that another session holds.
 *
 * Ada holds docs/b.md exclusively. Commands name the file or its folder.
 *
 * | step | the model | before the step |
 * | --- | --- | --- |
 * | 0 | copies a.md onto docs/b.md | |
 * | 1 | moves a.md onto docs/b.md | the copy was denied |
 * | 2 | moves b.md into the folder docs | the move was denied |
 * | 3 | ends | the second move was denied |
 *
 * @module
 */

import assert from "node:assert/strict";
import { STORY as CLAUDE } from "./claude_story.ts";
import { STORY as CODEX } from "./codex_story.ts";
import type { AgentStory } from "./agent_story.ts";
import { STORY as GEMINI } from "./gemini_story.ts";
import { startLoopback } from "./loopback.ts";
import { findProgram, type Program } from "./program.ts";
import { runStory } from "./story_run.ts";
import { Workplace } from "./workplace.ts";

for (const story of [CLAUDE, CODEX, GEMINI]) {
  const program = await findProgram(story.name);
  const isMissing = "missing" in program;
  const name = `the real ${story.name} is denied cp and mv onto a held file`;
  Deno.test({
    name: isMissing ? `${name} (${program.missing})` : name,
    ignore: isMissing,
    fn: async () => {
      if (!isMissing) await copyAndMove(story, program);
    },
  });
}

async function copyAndMove(
  story: AgentStory,
  program: Program,
): Promise<void> {
  await using place = await Workplace.make();
  const { project } = place;
  const [source, named] = [`${project}/a.md`, `${project}/b.md`];
  const held = `${project}/docs/b.md`;
  await Deno.mkdir(`${project}/docs`);
  await Deno.writeTextFile(source, "a\n");
  await Deno.writeTextFile(named, "b\n");
  await Deno.writeTextFile(held, "held\n");
  const ada = await place.openBus("ada-at-work");
  await ada.locks.acquire(held, { type: "exclusive" });

  const seen: string[] = [];
  const record = async () => {
    const texts = [source, named, held].map((path) => Deno.readTextFile(path));
    seen.push((await Promise.all(texts)).join(""));
  };
  const loopback = startLoopback([
    { turn: story.shell(`cp ${source} ${held}`) },
    { turn: story.shell(`mv ${source} ${held}`), before: record },
    { turn: story.shell(`mv ${named} ${project}/docs`), before: record },
    { turn: { say: "I am done." }, before: record },
  ], place.root);
  await using server = loopback.server;
  const output = await runStory(
    place,
    story,
    program,
    loopback,
    "Copy, please.",
  );
  const unchanged = "a\nb\nheld\n";
  assert.deepEqual(seen, [unchanged, unchanged, unchanged], output);
  for (const step of [1, 2, 3]) {
    assert.match(
      server.textAt(step),
      /ada-at-work \(person\) holds exclusively \S*\/docs\/b\.md/,
    );
  }
  assert.equal(await place.hookErrors(), "");
}
