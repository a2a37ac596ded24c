/**
 * The facts about what runs this command, read when they are asked for: a
 * command whose session is named needs to look at no process.
 *
 * @module
 */

import { lifeOf } from "../sql/session_rows.ts";
import {
  type AgentProcess,
  ancestors,
  hostId,
  isPassing,
  nearestAgent,
  type ProcessEntry,
  terminalLeader,
  windowProcess,
} from "../process/host.ts";
import { assertName } from "../bus/options.ts";
import type { Session } from "../model/session.ts";
import { threadBelowDaemon } from "./codex_shell.ts";
import {
  type GivenNames,
  type IdentityFacts,
  type InheritedId,
  type OwnerProcess,
  SESSION_VARIABLES,
} from "./identity.ts";

/**
 * What is known of the surroundings.
 *
 * @param option What `--session` says.
 * @param sessions The sessions of the bus that have not ended.
 * @param vendor Who it says it is.
 * @throws {InvalidInputError} If the session that is named has no name for one.
 */
export function processContext(
  option: string | undefined,
  sessions: readonly Session[],
  vendor?: string,
): IdentityFacts {
  const seen = remembered(ancestors());
  return {
    ...namesFor(option),
    sessions,
    vendor,
    get host(): string {
      return hostId();
    },
    ancestors: seen,
    get agent(): AgentProcess | undefined {
      const agent = nearestAgent(seen);
      return agent && windowOf(agent, seen);
    },
    agentAt(ancestor): AgentProcess | undefined {
      // It is one of those that were seen.
      const agent = nearestAgent([ancestor as ProcessEntry]);
      return agent && windowOf(agent, seen);
    },
    get keeper() {
      return terminalLeader() ?? ownerAmong([...seen]);
    },
    lifeOf,
  };
}

/**
 * The names that the option and the environment give.
 *
 * @throws {InvalidInputError} If the session that is named has no name for one.
 */
export function namesFor(option: string | undefined): GivenNames {
  const given = option ?? (Deno.env.get("MBUS_SESSION") || undefined);
  assertName("session", given);
  return {
    given,
    isOption: option !== undefined,
    inheritedIds: inheritedIds(),
  };
}

/** The agent by the process of its window. */
function windowOf(
  agent: AgentProcess,
  above: Iterable<ProcessEntry>,
): AgentProcess {
  const below = threadBelowDaemon();
  if (below === undefined || agent.pid !== below.thread.daemon.pid) {
    return windowProcess(agent, above);
  }
  return { ...agent, ...below.process, keeper: { codex: below.thread } };
}

/** What was taken from an iteration once is there for the next time. */
function remembered<T>(source: Iterator<T>): Iterable<T> {
  const taken: T[] = [];
  return {
    *[Symbol.iterator](): Generator<T> {
      for (let i = 0;; i++) {
        if (i === taken.length) {
          const { done, value } = source.next();
          if (done) return;
          taken.push(value);
        }
        yield taken[i];
      }
    },
  };
}

function inheritedIds(): InheritedId[] {
  const all: InheritedId[] = [];
  for (const [variable, vendor] of SESSION_VARIABLES) {
    const id = Deno.env.get(variable);
    if (id === undefined) continue;
    try {
      assertName("session", id);
    } catch {
      // Nobody typed it, so nobody can mend it: it names no session.
      continue;
    }
    all.push({ vendor, id });
  }
  return all;
}

/** Without a terminal: who leads the process session, else what is no passing shell. */
function ownerAmong(
  entries: readonly ProcessEntry[],
): OwnerProcess | undefined {
  const parent = entries[0];
  if (parent === undefined) return undefined;
  const leader = entries.find(({ pid }) => pid === parent.session);
  const keeper = leader ??
    entries.find((entry) => !isPassing(entry)) ?? parent;
  return {
    pid: keeper.pid,
    startTime: keeper.startTime,
    isPassing: entries.slice(0, entries.indexOf(keeper) + 1).every(isPassing) &&
      keeper.arguments.some((word) => /^-[a-z]*c$/.test(word)),
  };
}
