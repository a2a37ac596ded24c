/**
 * What `mbus install` does: for each agent its hooks, then what goes with them.
 *
 * Each agent is for itself: where one fails, the others are done. An agent
 * that does not get its hooks gets nothing else.
 *
 * @module
 */

import type { AgentName } from "../hooks/agents/agent.ts";
import type { ConfigPlace, ConfigScope } from "./agents/config.ts";
import { AGENT_CONFIGS } from "./agents/configs.ts";
import type { GlobalValues } from "../cli/arguments.ts";
import { EXIT } from "../cli/command.ts";
import { carryOut, type Manner, offer, outcomeOf } from "./change.ts";
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

/** What the command line says. */
export interface InstallOptions
  extends ConsentOptions, Pick<GlobalValues, "home" | "json"> {
  readonly user: boolean;
  readonly project: boolean;
  readonly guide: boolean;
  readonly wake: boolean;
  readonly "writable-root": boolean;
  readonly "unload-at-once": boolean;
}

/** How one call installs. */
interface Call {
  readonly options: InstallOptions;
  readonly place: ConfigPlace;
  readonly manner: Manner;
}

/** Installs; returns the exit code. */
export function installAgents(
  agents: readonly AgentName[],
  options: InstallOptions,
): number {
  const place = placeOfProcess();
  const call: Call = { options, place, manner: consent(options, place) };
  let failures = 0;
  let changes = 0;
  for (const scope of scopesOf(options, ["user"])) {
    for (const agent of agents) {
      // The folders that are made now would make it look as if it were here.
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

/** Of several programs those that are here, or named; the first if none is. */
function chosen(parts: readonly Part[]): readonly Part[] {
  if (parts.every(({ program }) => program === undefined)) return parts;
  const here = parts.filter(({ path, isNamed = false }) =>
    isNamed || isFolder(folderOfAgent(path))
  );
  return here.length > 0 ? here : parts.slice(0, 1);
}

function put(part: Part, call: Call, manner = call.manner): Outcome {
  let outcome: Outcome;
  try {
    outcome = carryOut(part, "put", manner);
  } catch (error) {
    outcome = failed(outcomeOf(part, "failed"), error);
  }
  const { afterInstall } = AGENT_CONFIGS[part.agent];
  const isTold = part.kind === "hooks" && isChange(outcome) &&
    afterInstall !== undefined;
  if (isTold) {
    outcome = { ...outcome, message: afterInstall.replace(/\.$/, "") };
  }
  return tell(outcome, call, manner.ask !== undefined);
}

/** What is only put in on a person's word: an option, or an answer. */
interface Offer {
  /** The option. */
  readonly option: "writable-root" | "unload-at-once";
  /** What it is good for. */
  readonly why: string;
}

function putOffered(part: Part, { option, why }: Offer, call: Call): Outcome {
  const { options, manner } = call;
  try {
    const text = readTextFile(part.path)?.text;
    const message = text === undefined ? undefined : part.uselessIn?.(text);
    if (message !== undefined) {
      return tell({ ...outcomeOf(part, "skipped"), message }, call);
    }
    const outcome = offer(part);
    if (outcome.done === "unchanged") return tell(outcome, call);
    if (options[option]) return put(part, call);
    const { ask } = manner;
    if (ask !== undefined) {
      const withWhy = (outcome: Outcome): boolean =>
        ask({ ...outcome, message: why });
      return put(part, call, { ...manner, ask: withWhy });
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
  why:
    "without it, Codex's daemon tells only a minute later that a window was " +
    "closed; with it, background terminals of a closed window end at once",
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
    message: "it keeps a person's rules in the program; paste there what " +
      '"mbus install --print-guide" prints',
  }, call);
}

/** No hooks for a scope: no matter, if the other one is meant, too. */
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
    message: `Cannot install ${agent} for a ${scope}: ${state}; leave ` +
      `--${scope} out.`,
  };
}

function tell(outcome: Outcome, { options }: Call, wasShown = false): Outcome {
  printOutcome(outcome, options.json, wasShown);
  if (outcome.done === "failed") printFailure(outcome, options.json);
  return outcome;
}

/** Whether an agent is on this machine, as far as can be seen. */
function isHere(agent: AgentName, place: ConfigPlace): boolean {
  return programOf(agent) !== undefined ||
    hookParts(agent, "user", place).some(({ path }) =>
      isFolder(folderOfAgent(path))
    );
}
