/**
 * Inputs of agents and configurations: the JSON of hooks, on a real bus by the
 * slow path, and the files that hooks are installed into.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import { respondToCall } from "../../lib/hooks/respond.ts";
import {
  ConfigError,
  type ConfigFile,
} from "../../lib/install/agents/config.ts";
import { AGENT_CONFIGS } from "../../lib/install/agents/configs.ts";
import { HookLog } from "../../lib/hooks/hook_log.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { PathError } from "../../lib/path/path_text.ts";
import { mutated, RECORDED } from "../agents/mutated.ts";
import { JSON_SAMPLES, TOML_SAMPLES } from "../agents/config_samples.ts";
import {
  assertUnpolluted,
  awkwardText,
  type Target,
  target,
  type TargetMaker,
} from "./inputs.ts";
import { assertRefusal } from "./inputs_library.ts";

const anyAgent = fc.constantFrom(...AGENT_NAMES);

/** A recorded input with awkward texts. */
const distorted: fc.Arbitrary<unknown> = fc.tuple(
  fc.constantFrom(...RECORDED),
  fc.array(fc.option(awkwardText, { freq: 2 }), { minLength: 8, maxLength: 8 }),
).map(([input, texts]) => {
  let at = 0;
  return JSON.parse(
    JSON.stringify(input),
    (_, value) =>
      typeof value === "string" ? texts[at++ % texts.length] ?? value : value,
  );
});

const anyInput = fc.oneof(
  { weight: 4, arbitrary: mutated },
  { weight: 4, arbitrary: distorted },
  { weight: 1, arbitrary: fc.jsonValue() },
  { weight: 1, arbitrary: awkwardText },
);
const anyHint = fc.option(awkwardText, { nil: undefined });

function inputsOfHooks(): Target {
  const inputs = fc.tuple(anyAgent, anyInput, anyHint);
  return target("inputs of hooks", 150, inputs, ([name, input, hint]) => {
    const agent = AGENTS[name];
    const event = agent.parse(input, () => undefined, hint);
    assert.equal(typeof event.kind, "string");
    const { output } = agent.render(event, {
      verdict: "deny",
      reason: "§",
      context: "§",
    });
    if (output.startsWith("{")) JSON.parse(output);
    callingAgent(input);
    assertUnpolluted();
  });
}

/** Responses to hooks on a real bus. */
function hooks(folder: string): Target {
  const home = `${folder}/bus`;
  const log = new HookLog(home, "fuzz");
  const inputs = fc.tuple(anyAgent, anyInput, anyHint);
  return target("hooks", 30, inputs, async ([name, input, hint]) => {
    const agent = AGENTS[name];
    const event = agent.parse(input, () => undefined, hint);
    if (event.kind === "other" || event.sessionId === "") return;
    const outputs: string[] = [];
    try {
      await respondToCall({
        agent,
        event,
        home,
        db: undefined,
        below: undefined,
        ends: false,
        log,
        write: (output) => outputs.push(output),
      });
    } catch (error) {
      // The agent gets the neutral response, and the log gets this message.
      if (!(error instanceof PathError)) assertRefusal(error);
      assert.deepEqual(outputs, []);
      return;
    }
    assert.equal(outputs.length, 1);
    if (outputs[0].startsWith("{")) JSON.parse(outputs[0]);
    assertUnpolluted();
  }, () => {});
}

const PLACE = { home: "/h", project: "/p", env: () => undefined };

/** A configuration with characters deleted or inserted. */
function damaged(
  samples: readonly (readonly [string, string])[],
): fc.Arbitrary<string> {
  return fc.tuple(
    fc.constantFrom(...samples.map(([, text]) => text)),
    fc.array(
      fc.record({
        at: fc.nat({ max: 400 }),
        cut: fc.nat({ max: 3 }),
        put: fc.oneof(
          fc.constantFrom("", "{", "}", "[", "]", '"', "'", "#", "//", "\n"),
          awkwardText,
        ),
      }),
      { maxLength: 3 },
    ),
  ).map(([text, edits]) =>
    edits.reduce((damaged, { at, cut, put }) => {
      const place = at % (damaged.length + 1);
      return damaged.slice(0, place) + put + damaged.slice(place + cut);
    }, text)
  );
}

function assertRestored(file: ConfigFile, text: string): void {
  let installed: string;
  try {
    installed = file.install(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String((error as Error).stack));
    return;
  }
  assert.equal(file.status(installed), "current");
  assert.equal(file.install(installed), installed);
  // The person's file is restored byte by byte.
  assert.equal(file.uninstall(installed), text);
  assertUnpolluted();
}

function configurations(): Target {
  const fileOf = (name: keyof typeof AGENT_CONFIGS) =>
    AGENT_CONFIGS[name].files("user", PLACE)[0];
  const ofFormat = (format: string) =>
    AGENT_NAMES.map(fileOf).filter((file) => file.format === format);
  const inputs = fc.oneof(
    fc.tuple(fc.constantFrom(...ofFormat("json")), damaged(JSON_SAMPLES)),
    fc.tuple(fc.constantFrom(...ofFormat("toml")), damaged(TOML_SAMPLES)),
  );
  return target("configurations", 60, inputs, ([file, text]) => {
    assertRestored(file, text);
  });
}

/** The targets of agents. */
export const AGENT_TARGETS: readonly TargetMaker[] = [
  inputsOfHooks,
  hooks,
  configurations,
];
