/**
 * Process context of a command: its ancestors, its agent and its terminal.
 *
 * Each fact is read on demand, because a command with a named session needs none
 * of them.
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
 * Returns the facts for {@linkcode identify}.
 *
 * @param option Value of `--session`.
 * @param sessions Sessions of the bus that have not ended.
 * @param vendor Vendor of a new session (default: detected).
 * @throws {InvalidInputError} If the given name is not a valid session name.
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
      // Callers pass an ancestor of `seen`.
      const agent = nearestAgent([ancestor as ProcessEntry]);
      return agent && windowOf(agent, seen);
    },
    get ownerProcess() {
      return terminalLeader() ?? ownerAmong([...seen]);
    },
    lifeOf,
  };
}

/**
 * Returns the session names from `--session` and the environment.
 *
 * @throws {InvalidInputError} If the given name is not a valid session name.
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

/** Returns the agent, with the process of its window. */
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

/** Returns an iterable that caches the items of an iterator. */
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
      // The agent set it, so an error would not help the caller.
      continue;
    }
    all.push({ vendor, id });
  }
  return all;
}

/**
 * Returns the owner of a session without a terminal: the leader of the process
 * session, else the nearest ancestor that is not a one-shot shell.
 */
function ownerAmong(
  entries: readonly ProcessEntry[],
): OwnerProcess | undefined {
  const parent = entries[0];
  if (parent === undefined) return undefined;
  const leader = entries.find(({ pid }) => pid === parent.session);
  const owner = leader ??
    entries.find((entry) => !isPassing(entry)) ?? parent;
  return {
    pid: owner.pid,
    startTime: owner.startTime,
    isOneShot: entries.slice(0, entries.indexOf(owner) + 1).every(isPassing) &&
      owner.arguments.some((word) => /^-[a-z]*c$/.test(word)),
  };
}
