/**
 * The test that each real agent is put to.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type AgentStory,
  BEFORE,
  type Encounter,
  HOLDER,
  LETTER,
  meet,
  SECOND_LETTER,
  WHY,
} from "./encounter.ts";
import { findProgram } from "./program.ts";

/** Declares the test; it is left out, with the reason, without the program. */
export async function testRealAgent(story: AgentStory): Promise<void> {
  const name = `the real ${story.name}: denied, told and registered`;
  const program = await findProgram(story.name);
  if ("missing" in program) {
    Deno.test.ignore(`${name} (${program.missing})`, () => {});
    return;
  }
  Deno.test(name, async (t) => {
    const seen = await meet(story, program);
    for (const [what, check] of CHECKS) {
      await t.step(what, () => check(seen, story));
    }
  });
}

type Check = (seen: Encounter, story: AgentStory) => void;

const CHECKS: readonly (readonly [string, Check])[] = [
  ["an edit of a held file is denied, and its model reads why", isDenied],
  ["its retry passes once the file is free", passesWhenFree],
  ["a shell command that writes a held file is denied", isDeniedInShell],
  ["making a held file is denied", isDeniedToMake],
  ["its model is shown a letter after a tool", readsAfterTool],
  ["its model is shown a letter with a prompt", readsWithPrompt],
  ["its session is on the bus with its process", isRegistered],
  ["its session is the same when it goes on", goesOn],
  ["without mbus it works on as if there were no hooks", worksWithout],
  ["it ends well, and no hook had trouble", endsWell],
];

function isDenied({ loopback: { server }, edited }: Encounter): void {
  assert.equal(edited[0], BEFORE);
  assert.doesNotMatch(server.toldAt(1), new RegExp(HOLDER));
  assert.match(
    server.toldAt(2),
    /\[message-bus\] ada-at-work \(person\) holds/,
  );
  assert.match(server.toldAt(2), new RegExp(WHY));
}

function passesWhenFree({ edited }: Encounter): void {
  assert.equal(edited[1], BEFORE.replace("one", "two"));
}

function isDeniedInShell({ loopback: { server }, written }: Encounter): void {
  assert.equal(written, BEFORE);
  assert.match(server.toldAt(4), /holds exclusively \S*\/b\.md/);
}

function isDeniedToMake({ loopback: { server }, made }: Encounter): void {
  assert.equal(made, "");
  assert.match(server.toldAt(5), /holds exclusively \S*\/c\.md/);
}

function readsAfterTool(
  { loopback: { server }, letter }: Encounter,
  { readsAfterTool = true }: AgentStory,
): void {
  const told = readsAfterTool ? [LETTER] : [];
  assert.equal(letter?.state, readsAfterTool ? "injected" : "queued");
  assert.deepEqual(lettersIn(server.toldAt(3)), told);
  // The history has it still, and has it once.
  assert.deepEqual(lettersIn(server.toldAt(5)), told);
}

function readsWithPrompt(
  { loopback: { server }, secondLetter }: Encounter,
  { readsAfterTool = true }: AgentStory,
): void {
  assert.equal(secondLetter?.state, "injected");
  // An agent may put it anywhere: in the history, too, before the rest.
  const frames = server.toldAt(6).split(FRAME).map(lettersIn);
  assert.deepEqual(
    frames.filter((letters) => letters.includes(SECOND_LETTER)),
    [readsAfterTool ? [SECOND_LETTER] : [LETTER, SECOND_LETTER]],
  );
}

function isRegistered(
  { session, isOwnProcess, sessionLater }: Encounter,
  { name }: AgentStory,
): void {
  assert.equal(session.vendor, name);
  assert.equal(session.status, "active");
  assert.equal(session.branch, "main");
  assert.ok(isOwnProcess, `process ${session.pid} is not of the run`);
  assert.equal(sessionLater.pid, session.pid);
  assert.equal(sessionLater.processStart, session.processStart);
}

function goesOn({ session, resumed }: Encounter): void {
  assert.equal(resumed.id, session.id);
  assert.notEqual(resumed.processStart, session.processStart);
}

function worksWithout({ unguarded }: Encounter): void {
  assert.deepEqual(unguarded, ["two\n", "two\n"]);
}

function endsWell({ ends, troubles }: Encounter): void {
  assert.equal(troubles, "");
  for (const { code, output } of ends) assert.equal(code, 0, output);
}

/** The letters in a text, each a quotation from Ada. */
function lettersIn(told: string): string[] {
  return [...told.matchAll(QUOTATION)].map(([, letter]) => letter);
}

const FRAME = "[message-bus] From other sessions on this machine. ";
const QUOTATION =
  /^\[message-bus: message \S+ on chat from ada-at-work, \S+\]\n\| (.*)$/gm;
