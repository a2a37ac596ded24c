/**
 * The test of each real agent.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type AgentStory,
  BEFORE,
  MESSAGE,
  recordStory,
  SECOND_MESSAGE,
  type StoryResult,
  WHY,
} from "./agent_story.ts";
import { nameOf } from "../../../lib/model/session.ts";
import { findProgram } from "./program.ts";

/** Registers the test, which is ignored without the agent's program. */
export async function testRealAgent(story: AgentStory): Promise<void> {
  const name = `the real ${story.name} is registered, denied and told`;
  const program = await findProgram(story.name);
  if ("missing" in program) {
    Deno.test.ignore(`${name} (${program.missing})`, () => {});
    return;
  }
  Deno.test(name, async (t) => {
    const seen = await recordStory(story, program);
    for (const [what, check] of CHECKS) {
      await t.step(what, () => check(seen, story));
    }
  });
}

type Check = (seen: StoryResult, story: AgentStory) => void;

const CHECKS: readonly (readonly [string, Check])[] = [
  ["the model is greeted with its name and its peers", isGreeted],
  ["an edit of a held file is denied with its reason", isDenied],
  ["a retry passes after the release", passesWhenFree],
  ["a shell command that writes a held file is denied", isDeniedInShell],
  ["the creation of a held file is denied", isDeniedToMake],
  ["a hook gives the model a message after a tool", readsAfterTool],
  ["a hook gives the model a message with a prompt", readsWithPrompt],
  ["the session is registered with its process", isRegistered],
  ["a resumed session keeps its id", keepsId],
  ["the agent works without mbus", worksWithout],
  ["the agent exits with 0, and hooks log no error", endsWell],
];

function isGreeted(
  { loopback: { server }, session }: StoryResult,
): void {
  const name = nameOf(session).replaceAll(".", "\\.");
  const greeting = new RegExp(
    `You are ${name}\\. Peers, in their words: ada-at-work \\(working\\)\\.`,
  );
  assert.match(server.textAt(0), greeting);
}

function isDenied({ loopback: { server }, edited }: StoryResult): void {
  assert.equal(edited[0], BEFORE);
  assert.doesNotMatch(server.textAt(1), /holds exclusively/);
  assert.match(
    server.textAt(2),
    /\[message-bus\] ada-at-work \(person\) holds/,
  );
  assert.match(server.textAt(2), new RegExp(WHY));
}

function passesWhenFree({ edited }: StoryResult): void {
  assert.equal(edited[1], BEFORE.replace("one", "two"));
}

function isDeniedInShell({ loopback: { server }, written }: StoryResult): void {
  assert.equal(written, BEFORE);
  assert.match(server.textAt(4), /holds exclusively \S*\/b\.md/);
}

function isDeniedToMake({ loopback: { server }, created }: StoryResult): void {
  assert.equal(created, "");
  assert.match(server.textAt(5), /holds exclusively \S*\/c\.md/);
}

function readsAfterTool(
  { loopback: { server }, firstDelivery }: StoryResult,
  { readsAfterTool = true }: AgentStory,
): void {
  const expected = readsAfterTool ? [MESSAGE] : [];
  assert.equal(firstDelivery?.state, readsAfterTool ? "injected" : "queued");
  assert.deepEqual(messagesIn(server.textAt(3)), expected);
  // The history still has the message, once.
  assert.deepEqual(messagesIn(server.textAt(5)), expected);
}

function readsWithPrompt(
  { loopback: { server }, secondDelivery }: StoryResult,
  { readsAfterTool = true }: AgentStory,
): void {
  assert.equal(secondDelivery?.state, "injected");
  // Agents differ in the message's place in the history.
  const frames = server.textAt(6).split(FRAME).map(messagesIn);
  assert.deepEqual(
    frames.filter((messages) => messages.includes(SECOND_MESSAGE)),
    [readsAfterTool ? [SECOND_MESSAGE] : [MESSAGE, SECOND_MESSAGE]],
  );
}

function isRegistered(
  { session, isOwnProcess, sessionLater }: StoryResult,
  { name }: AgentStory,
): void {
  assert.equal(session.vendor, name);
  assert.equal(session.status, "active");
  assert.equal(session.branch, "main");
  assert.ok(isOwnProcess, `process ${session.pid} is outside the run`);
  assert.equal(sessionLater.pid, session.pid);
  assert.equal(sessionLater.processStart, session.processStart);
}

function keepsId({ session, resumed }: StoryResult): void {
  assert.equal(resumed.id, session.id);
  assert.notEqual(resumed.processStart, session.processStart);
}

function worksWithout({ unguarded }: StoryResult): void {
  assert.deepEqual(unguarded, ["two\n", "two\n"]);
}

function endsWell({ ends, hookErrors }: StoryResult): void {
  assert.equal(hookErrors, "");
  for (const { code, output } of ends) assert.equal(code, 0, output);
}

/** Returns Ada's messages in a text, which are quotations. */
function messagesIn(text: string): string[] {
  return [...text.matchAll(QUOTATION)].map(([, message]) => message);
}

const FRAME = "[message-bus] From other sessions on this machine. ";
const QUOTATION =
  /^\[message-bus: message \S+ on chat from ada-at-work, [^\]]+\]\n\| (.*)$/gm;
