/**
 * Command lines: each command with random words in random order.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { parseArguments, UsageError } from "../../lib/cli/arguments.ts";
import type { Command } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { parseDuration, renderDuration } from "../../lib/cli/duration.ts";
import { visible, visibleJson } from "../../lib/cli/output/visible_text.ts";
import {
  awkwardText,
  type Target,
  target,
  type TargetMaker,
} from "./inputs.ts";

/** Loads all commands and their subcommands. */
async function allCommands(): Promise<Command[]> {
  const commands: Command[] = [];
  for (const load of Object.values(COMMANDS)) {
    const { default: command } = await load();
    commands.push(command);
    for (const loadPart of Object.values(command.commands ?? {})) {
      commands.push((await loadPart()).default);
    }
  }
  return commands;
}

const commands = await allCommands();

/** Words of a command line: its options, and other texts. */
function wordsFor(command: Command): fc.Arbitrary<string[]> {
  const options = Object.keys(command.options)
    .concat("json", "home", "session", "all-projects");
  const option = fc.constantFrom(...options).map((name) => `--${name}`);
  return fc.array(
    fc.oneof(
      option,
      fc.tuple(option, awkwardText).map(([name, value]) => `${name}=${value}`),
      awkwardText,
      fc.constantFrom("state", "1", "30s", "-1", "src/a.ts", "'{}'"),
    ),
    { maxLength: 8 },
  );
}

function commandLines(): Target {
  const inputs = fc.constantFrom(...commands).chain((command) =>
    fc.tuple(fc.constant(command), wordsFor(command))
  );
  return target("command lines", 80, inputs, ([command, words]) => {
    try {
      const { positionals } = parseArguments(command, words);
      assert.ok(positionals.length <= words.length);
    } catch (error) {
      assert.ok(error instanceof UsageError, String((error as Error).stack));
      assert.match(error.message, /^Cannot /);
    }
  });
}

function shownTexts(): Target {
  // deno-lint-ignore no-control-regex
  const unsafe = /[\0-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069]/u;
  return target("displayed texts", 20, awkwardText, (text) => {
    assert.doesNotMatch(visible(text), unsafe);
    assert.doesNotMatch(visibleJson({ text }), unsafe);
    // A program that parses the JSON gets the original text.
    assert.equal(JSON.parse(visibleJson({ text })).text, text);
    const ms = parseDuration(text);
    if (ms !== undefined) assert.notEqual(renderDuration(ms), "");
  });
}

/** The targets of the command line. */
export const COMMAND_TARGETS: readonly TargetMaker[] = [
  commandLines,
  shownTexts,
];
