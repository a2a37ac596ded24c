/**
 * `mbus uninstall`: the parts of each agent in reverse order of installation, then
 * the leftovers.
 *
 * Agents are independent. The bus goes last: it is purged only if no agent is left
 * that would make it again.
 *
 * @module
 */

import type { AgentName } from "../hooks/agents/agent.ts";
import type { ConfigPlace, ConfigScope } from "./agents/config.ts";
import type { GlobalValues } from "../cli/arguments.ts";
import { EXIT } from "../cli/command.ts";
import { printLine } from "../cli/output/output.ts";
import { type ChangeOptions, changePart, outcomeOf } from "./change.ts";
import { consent, type ConsentOptions } from "./consent.ts";
import {
  failed,
  isChange,
  type Outcome,
  printFailure,
  printOutcome,
  printRemark,
} from "./outcome.ts";
import { hookParts, type Part, partsOf, readersOf, statusOf } from "./part.ts";
import { busFolder, placeOfProcess, scopesOf } from "./place.ts";
import { assertMayPurge, purgeBus, purgeLauncher } from "./purge.ts";
import {
  type Leftover,
  printLeftover,
  removeBackupsOf,
  removeGuard,
} from "./leftovers.ts";
import { readTextFile } from "./text_file.ts";

/** The options of the command line. */
export interface UninstallOptions extends ConsentOptions, GlobalValues {
  readonly user: boolean;
  readonly project: boolean;
  readonly all: boolean;
  readonly purge: boolean;
  readonly force: boolean;
}

/** One call of `mbus uninstall`. */
interface Call {
  readonly agents: readonly AgentName[];
  readonly options: UninstallOptions;
  readonly place: ConfigPlace;
  readonly bus: string | undefined;
  readonly changeOptions: ChangeOptions;
}

/** Uninstalls; returns the exit code. */
export async function uninstallAgents(
  agents: readonly AgentName[],
  options: UninstallOptions,
): Promise<number> {
  const place = placeOfProcess();
  if (options.purge) await assertMayPurge(options);
  const bus = busFolder(options.home);
  const changeOptions = consent(options, place);
  const call: Call = { agents, options, place, bus, changeOptions };
  const both = options.all ? ["user", "project"] as const : ["user"] as const;
  const outcomes: Outcome[] = [];
  const remains: Leftover[] = [];
  for (const scope of scopesOf(options, both)) {
    for (const agent of agents) {
      const taken = removeParts(agent, scope, call);
      outcomes.push(...taken);
      remains.push(...backups(agent, scope, call, taken.every(isOver)));
    }
  }
  if (options.all) remains.push(...await guard(call));
  const isComplete =
    !outcomes.some(({ done }) => done === "failed" || done === "declined") &&
    !remains.some(({ done }) => done === "failed");
  if (options.purge) remains.push(...purge(isComplete, call));
  const isNothing = !outcomes.some(isChange) &&
    !remains.some(({ done }) => done === "removed");
  if (options.all && isNothing && !options.json) printLine("Nothing to do.");
  const isFailed = outcomes.some(({ done }) => done === "failed") ||
    remains.some(({ done }) => done === "failed");
  return isFailed ? EXIT.refused : EXIT.done;
}

function isOver({ done }: Outcome): boolean {
  return done !== "failed" && done !== "declined";
}

function removeParts(
  agent: AgentName,
  scope: ConfigScope,
  call: Call,
): Outcome[] {
  const { place, bus, options, changeOptions } = call;
  return partsOf(agent, scope, place, bus).reverse().map((part) => {
    let outcome: Outcome;
    try {
      const reader = part.kind === "guide"
        ? otherReader(part, call)
        : undefined;
      outcome = reader === undefined
        ? changePart(part, "take", changeOptions)
        : {
          ...outcomeOf(part, "skipped"),
          message: `${reader} reads the guide there, too`,
        };
    } catch (error) {
      outcome = failed(outcomeOf(part, "failed"), error);
    }
    tell(outcome, options, changeOptions.ask !== undefined);
    return outcome;
  });
}

/** Returns another agent with our hooks that reads this guide, if it exists. */
function otherReader(guide: Part, call: Call): AgentName | undefined {
  if (statusOf(guide, readTextFile(guide.path)?.text) === "absent") {
    return undefined;
  }
  return readersOf(guide, call.place).find((name) =>
    !call.agents.includes(name) &&
    hookParts(name, guide.scope, call.place).some(isInstalled)
  );
}

function isInstalled(part: Part): boolean {
  try {
    return statusOf(part, readTextFile(part.path)?.text) !== "absent";
  } catch {
    // A file of ours that cannot be read counts as installed.
    return true;
  }
}

/** Prints an outcome; with `--all`, absent parts are left out. */
function tell(
  outcome: Outcome,
  { json, all }: UninstallOptions,
  wasShown: boolean,
): void {
  const isSaid = json || outcome.done !== "absent" ||
    (!all && outcome.part === "hooks");
  if (isSaid) printOutcome(outcome, json, wasShown);
  if (outcome.done === "failed") printFailure(outcome, json);
}

function backups(
  agent: AgentName,
  scope: ConfigScope,
  { options, place, bus }: Call,
  isOut: boolean,
): Leftover[] {
  if (options["dry-run"]) return [];
  const parts = partsOf(agent, scope, place, bus);
  const root = scope === "user" ? place.home : place.project;
  return removeBackupsOf(parts, root, options.purge && isOut)
    .map((each) => printLeftover(each, options.json));
}

async function guard({ options }: Call): Promise<Leftover[]> {
  return (await removeGuard(options["dry-run"]))
    .map((each) => printLeftover(each, options.json));
}

function purge(isComplete: boolean, { options, place }: Call): Leftover[] {
  if (!isComplete) {
    printRemark(
      "The bus and mbus itself were kept, because a part above that uses " +
        "them was not removed. Remove it, then run this again.",
      options.json,
    );
    return [];
  }
  const isDryRun = options["dry-run"];
  return [
    ...purgeBus(options.home, place.home, isDryRun),
    ...purgeLauncher(place.home, isDryRun),
  ].map((each) => printLeftover(each, options.json));
}
