/**
 * The facts about what runs this command, read when they are asked for: a
 * command whose session is named needs to look at no process.
 *
 * @module
 */

import { lifeOf } from "../coordination/registry.ts";
import {
  type AgentProcess,
  ancestors,
  hostId,
  nearestAgent,
  type ProcessEntry,
  type ProcessIdentity,
  terminalLeader,
} from "../host.ts";
import { refuseUnlessName } from "../options.ts";
import type { Session } from "../sessions.ts";
import {
  type HandedOn,
  type IdentityFacts,
  SESSION_VARIABLES,
} from "./identity.ts";

/** Shells and starters that end with the command they were started for. */
const PASSING =
  /^(sh|bash|dash|zsh|fish|ksh|busybox|env|timeout|xargs|nice|nohup|sudo|npm|npx|time|script)\b/;

/**
 * What is known of the surroundings.
 *
 * @param option What `--session` says.
 * @param sessions The sessions of the bus that have not ended.
 * @param vendor Who it says it is.
 * @throws {InvalidInputError} If the session that is named has no name for one.
 */
export function surroundings(
  option: string | undefined,
  sessions: readonly Session[],
  vendor?: string,
): IdentityFacts {
  const given = option ?? (Deno.env.get("MBUS_SESSION") || undefined);
  refuseUnlessName("session", given);
  const seen = remembered(ancestors());
  return {
    given,
    sessions,
    vendor,
    handedOn: handedOn(),
    get host(): string {
      return hostId();
    },
    ancestors: seen,
    get agent(): AgentProcess | undefined {
      return nearestAgent(seen);
    },
    agentAt(ancestor): AgentProcess | undefined {
      // It is one of those that were seen.
      return nearestAgent([ancestor as ProcessEntry]);
    },
    get keeper() {
      return terminalLeader() ?? keeperAmong([...seen]);
    },
    lifeOf,
  };
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

function handedOn(): HandedOn[] {
  const all: HandedOn[] = [];
  for (const [variable, vendor] of SESSION_VARIABLES) {
    const id = Deno.env.get(variable);
    if (id === undefined) continue;
    try {
      refuseUnlessName("session", id);
    } catch {
      // Nobody typed it, so nobody can mend it: it names no session.
      continue;
    }
    all.push({ vendor, id });
  }
  return all;
}

/** Without a terminal: who leads the process session, else what is no passing shell. */
function keeperAmong(
  entries: readonly ProcessEntry[],
): ProcessIdentity | undefined {
  const parent = entries[0];
  if (parent === undefined) return undefined;
  const leader = entries.find(({ pid }) => pid === parent.session);
  const keeper = leader ??
    entries.find(({ command }) => !PASSING.test(command)) ?? parent;
  return { pid: keeper.pid, startTime: keeper.startTime };
}
