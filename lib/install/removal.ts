/**
 * What `mbus uninstall` does: the parts of each agent, in the reverse of the
 * order in which they were put in, then what remains.
 *
 * Each agent is for itself. What everything else rests on goes last: a bus is
 * purged only when no agent is left that would make it anew.
 *
 * @module
 */

import type { AgentName } from "../hooks/agents/agent.ts";
import type { ConfigPlace, ConfigScope } from "./agents/config.ts";
import type { GlobalValues } from "../cli/arguments.ts";
import { EXIT } from "../cli/command.ts";
import { printLine } from "../cli/output/output.ts";
import { carryOut, type Manner, outcomeOf } from "./change.ts";
import { consent, type ConsentOptions } from "./consent.ts";
import {
  failed,
  isChange,
  type Outcome,
  printFailure,
  printOutcome,
  printRemark,
} from "./outcome.ts";
import {
  hookParts,
  type Part,
  partsOf,
  readersOf,
  standingOf,
} from "./part.ts";
import { busFolder, placeOfProcess, scopesOf } from "./place.ts";
import { agreeToPurge, purgeBus, purgeLauncher } from "./purge.ts";
import {
  backupsLeft,
  guardLeft,
  type Remains,
  tellRemains,
} from "./remains.ts";
import { readTextFile } from "./text_file.ts";

/** What the command line says. */
export interface UninstallOptions extends ConsentOptions, GlobalValues {
  readonly user: boolean;
  readonly project: boolean;
  readonly all: boolean;
  readonly purge: boolean;
  readonly force: boolean;
}

/** How one call uninstalls. */
interface Call {
  readonly agents: readonly AgentName[];
  readonly options: UninstallOptions;
  readonly place: ConfigPlace;
  readonly bus: string | undefined;
  readonly manner: Manner;
}

/** Uninstalls; returns the exit code. */
export async function uninstallAgents(
  agents: readonly AgentName[],
  options: UninstallOptions,
): Promise<number> {
  const place = placeOfProcess();
  if (options.purge) await agreeToPurge(options);
  const bus = busFolder(options.home);
  const manner = consent(options, place);
  const call: Call = { agents, options, place, bus, manner };
  const both = options.all ? ["user", "project"] as const : ["user"] as const;
  const outcomes: Outcome[] = [];
  const remains: Remains[] = [];
  for (const scope of scopesOf(options, both)) {
    for (const agent of agents) {
      const taken = takeOut(agent, scope, call);
      outcomes.push(...taken);
      remains.push(...backups(agent, scope, call, taken.every(isOver)));
    }
  }
  if (options.all) remains.push(...await guard(call));
  const isWhole =
    !outcomes.some(({ done }) => done === "failed" || done === "declined") &&
    !remains.some(({ done }) => done === "failed");
  if (options.purge) remains.push(...purge(isWhole, call));
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

function takeOut(
  agent: AgentName,
  scope: ConfigScope,
  call: Call,
): Outcome[] {
  const { place, bus, options, manner } = call;
  return partsOf(agent, scope, place, bus).reverse().map((part) => {
    let outcome: Outcome;
    try {
      const reader = part.kind === "guide"
        ? otherReader(part, call)
        : undefined;
      outcome = reader === undefined ? carryOut(part, "take", manner) : {
        ...outcomeOf(part, "skipped"),
        message: `${reader} reads the guide there, too`,
      };
    } catch (error) {
      outcome = failed(outcomeOf(part, "failed"), error);
    }
    tell(outcome, options, manner.ask !== undefined);
    return outcome;
  });
}

/** Another agent that has our hooks and reads this guide, if it is there. */
function otherReader(guide: Part, call: Call): AgentName | undefined {
  if (standingOf(guide, readTextFile(guide.path)?.text) === "absent") {
    return undefined;
  }
  return readersOf(guide, call.place).find((name) =>
    !call.agents.includes(name) &&
    hookParts(name, guide.scope, call.place).some(isInstalled)
  );
}

function isInstalled(part: Part): boolean {
  try {
    return standingOf(part, readTextFile(part.path)?.text) !== "absent";
  } catch {
    // It has something of ours that cannot be read.
    return true;
  }
}

/** Who names one agent is told of each part, who wants all of those there are. */
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
): Remains[] {
  if (options["dry-run"]) return [];
  const parts = partsOf(agent, scope, place, bus);
  const root = scope === "user" ? place.home : place.project;
  return backupsLeft(parts, root, options.purge && isOut)
    .map((each) => tellRemains(each, options.json));
}

async function guard({ options }: Call): Promise<Remains[]> {
  return (await guardLeft(options["dry-run"]))
    .map((each) => tellRemains(each, options.json));
}

function purge(isWhole: boolean, { options, place }: Call): Remains[] {
  if (!isWhole) {
    printRemark(
      "The bus and mbus itself were left: not everything that uses them is " +
        "out; see above, then call this again.",
      options.json,
    );
    return [];
  }
  const isDryRun = options["dry-run"];
  return [
    ...purgeBus(options.home, place.home, isDryRun),
    ...purgeLauncher(place.home, isDryRun),
  ].map((each) => tellRemains(each, options.json));
}
