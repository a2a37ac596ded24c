/**
 * `mbus install`: for each agent its hooks, then the other parts.
 *
 * Agents are independent: if one fails, the others are installed. An agent
 * without hooks gets no other part.
 *
 * @module
 */

import type { AgentName } from "../hooks/agents/agent.ts";
import type { ConfigPlace, ConfigScope } from "./agents/config.ts";
import { AGENT_CONFIGS } from "./agents/configs.ts";
import type { GlobalValues } from "../cli/arguments.ts";
import { EXIT } from "../cli/command.ts";
import { type ChangeOptions, changePart, offer, outcomeOf } from "./change.ts";
import { consent, type ConsentOptions } from "./consent.ts";
import { folderOfAgent, isFolder, onPath, programOf } from "./found.ts";
import {
  failed,
  isChange,
  type Outcome,
  printFailure,
  printOutcome,
  printRemark,
} from "./outcome.ts";
import {
  guidePart,
  hookParts,
  type Part,
  sandboxPart,
  unloadPart,
} from "./part.ts";
import { busFolder, placeOfProcess, scopesOf } from "./place.ts";
import { readTextFile } from "./text_file.ts";

/** The options of the command line. */
export interface InstallOptions
  extends ConsentOptions, Pick<GlobalValues, "home" | "json"> {
  readonly user: boolean;
  readonly project: boolean;
  readonly guide: boolean;
  readonly wake: boolean;
  readonly "writable-root": boolean;
  readonly "unload-at-once": boolean;
}

/** One call of `mbus install`. */
interface Call {
  readonly options: InstallOptions;
  readonly place: ConfigPlace;
  readonly changeOptions: ChangeOptions;
}

/** Installs; returns the exit code. */
export function installAgents(
  agents: readonly AgentName[],
  options: InstallOptions,
): number {
  const place = placeOfProcess();
  const call: Call = { options, place, changeOptions: consent(options, place) };
  let failures = 0;
  let changes = 0;
  for (const scope of scopesOf(options, ["user"])) {
    for (const agent of agents) {
      // Checked first, because installing makes the agent's folder.
      if (!isHere(agent, place)) {
        printRemark(`${agent} itself is not on your PATH.`, options.json);
      }
      const outcomes = installAgent(agent, scope, call);
      failures += outcomes.filter(({ done }) => done === "failed").length;
      changes += outcomes.filter(isChange).length;
    }
  }
  if (changes > 0 && onPath(["mbus"]) === undefined) {
    printRemark(
      "mbus is not on your PATH: until it is, the hooks do nothing; " +
        '"deno task install" in its checkout puts it there.',
      options.json,
    );
  }
  return failures > 0 ? EXIT.refused : EXIT.done;
}

function installAgent(
  agent: AgentName,
  scope: ConfigScope,
  call: Call,
): Outcome[] {
  const parts = chosen(
    hookParts(agent, scope, call.place, { wake: call.options.wake }),
  );
  const outcomes: Outcome[] = parts.length > 0
    ? parts.map((part) => put(part, call))
    : [tell(withoutHooks(agent, scope, call), call)];
  const isOut = parts.length === 0 ||
    outcomes.some(({ done }) => done === "failed" || done === "declined");
  if (isOut) return outcomes;
  const { options, place } = call;
  const sandbox = sandboxPart(agent, scope, place, busFolder(options.home));
  if (sandbox !== undefined) outcomes.push(putOffered(sandbox, SANDBOX, call));
  const unload = unloadPart(agent, scope, place);
  if (unload !== undefined) outcomes.push(putOffered(unload, UNLOAD, call));
  if (options.guide) outcomes.push(putGuide(agent, scope, call));
  return outcomes;
}

/** Returns the parts of present or named programs; the first if none is. */
function chosen(parts: readonly Part[]): readonly Part[] {
  if (parts.every(({ program }) => program === undefined)) return parts;
  const here = parts.filter(({ path, isNamed = false }) =>
    isNamed || isFolder(folderOfAgent(path))
  );
  return here.length > 0 ? here : parts.slice(0, 1);
}

function put(
  part: Part,
  call: Call,
  changeOptions = call.changeOptions,
): Outcome {
  let outcome: Outcome;
  try {
    outcome = changePart(part, "put", changeOptions);
  } catch (error) {
    outcome = failed(outcomeOf(part, "failed"), error);
  }
  const { afterInstall } = AGENT_CONFIGS[part.agent];
  const isTold = part.kind === "hooks" && isChange(outcome) &&
    afterInstall !== undefined;
  if (isTold) {
    outcome = { ...outcome, message: afterInstall.replace(/\.$/, "") };
  }
  return tell(outcome, call, changeOptions.ask !== undefined);
}

/** A part that needs a person's consent: an option, or an answer. */
interface Offer {
  /** The option. */
  readonly option: "writable-root" | "unload-at-once";
  /** The reason for the part. */
  readonly why: string;
}

function putOffered(part: Part, { option, why }: Offer, call: Call): Outcome {
  const { options, changeOptions } = call;
  try {
    const text = readTextFile(part.path)?.text;
    const message = text === undefined ? undefined : part.reasonAgainst?.(text);
    if (message !== undefined) {
      return tell({ ...outcomeOf(part, "skipped"), message }, call);
    }
    const outcome = offer(part);
    if (outcome.done === "unchanged") return tell(outcome, call);
    if (options[option]) return put(part, call);
    const { ask } = changeOptions;
    if (ask !== undefined) {
      const withWhy = (outcome: Outcome): boolean =>
        ask({ ...outcome, message: why });
      return put(part, call, { ...changeOptions, ask: withWhy });
    }
    return tell(
      { ...outcome, message: `${why}; --${option} puts it in` },
      call,
    );
  } catch (error) {
    return tell(failed(outcomeOf(part, "failed"), error), call);
  }
}

const SANDBOX: Offer = {
  option: "writable-root",
  why: "without it, mbus can only read the bus in the shell of Codex's " +
    "sandbox, so its model can send nothing; the hooks work either way",
};

const UNLOAD: Offer = {
  option: "unload-at-once",
  why: "without it, Codex's daemon reports a closed window a minute late; " +
    "with it, background terminals of a closed window end at once",
};

function putGuide(
  agent: AgentName,
  scope: ConfigScope,
  call: Call,
): Outcome {
  const part = guidePart(agent, scope, call.place);
  if (part !== undefined) return put(part, call);
  return tell({
    agent,
    scope,
    part: "guide",
    done: "skipped",
    message: "it keeps a person's rules in the program; paste the output of " +
      '"mbus install --print-guide" there',
  }, call);
}

/** Makes the outcome of a scope without hooks; no failure if both are given. */
function withoutHooks(
  agent: AgentName,
  scope: ConfigScope,
  { options: { user, project } }: Call,
): Outcome {
  const state = `it has hooks for the ${
    scope === "project" ? "user" : "project"
  } only`;
  const outcome = { agent, scope, part: "hooks" } as const;
  if (user && project) return { ...outcome, done: "skipped", message: state };
  return {
    ...outcome,
    done: "failed",
    message: `Cannot install ${agent} for a ${scope}: ${state}. Omit ` +
      `--${scope}.`,
  };
}

function tell(outcome: Outcome, { options }: Call, wasShown = false): Outcome {
  printOutcome(outcome, options.json, wasShown);
  if (outcome.done === "failed") printFailure(outcome, options.json);
  return outcome;
}

/** Whether an agent seems to be on this machine. */
function isHere(agent: AgentName, place: ConfigPlace): boolean {
  return programOf(agent) !== undefined ||
    hookParts(agent, "user", place).some(({ path }) =>
      isFolder(folderOfAgent(path))
    );
}
