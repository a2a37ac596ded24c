/**
 * The checker: judges whether a correct bus can produce the histories of a run.
 *
 * The checker is pure: it takes histories and the end state, and returns
 * violations. It does not use the library, and reads rows by plain SQL. A rule
 * accepts both outcomes of an action that a kill interrupted.
 *
 * `deno run -A checker.ts ‹folder›` judges a folder. It prints each violation
 * on a line, and exits with 1 if there is one.
 *
 * @module
 */

import { type Event, type History, readHistories } from "./history.ts";

/** A message in the database at the end. */
export interface KeptMessage {
  readonly id: string;
  readonly channel: string;
  /** The key in the payload, unique among all messages. */
  readonly key: string;
}

/** The state of a bus after the death of all processes of a run. */
export interface End {
  /** The channels without expired messages. */
  readonly keptChannels: readonly string[];
  /** The messages in the database. */
  readonly messages: readonly KeptMessage[];
  /** The durable names, with their numbers of lost messages. */
  readonly names: readonly { readonly name: string; readonly lost: number }[];
  readonly tasks: readonly { readonly task: string; readonly status: string }[];
  /**
   * Locks, claims, names and places in queues that dead sessions still hold.
   */
  readonly heldByDead: readonly string[];
  /** The result of SQLite's integrity check. */
  readonly integrity: string;
}

/** A run: the histories of its processes, and the end state. */
export interface Run {
  readonly histories: readonly History[];
  readonly end: End;
}

/** A broken rule. */
export interface Violation {
  readonly rule: RuleName;
  /** A description, with the process and the object. */
  readonly what: string;
}

type EventOf<Kind extends Event["action"]> =
  & { readonly peer: string }
  & Extract<Event, { action: Kind }>;

/** Returns the events of one action, of all processes. */
function all<Kind extends Event["action"]>(
  run: Run,
  kind: Kind,
): EventOf<Kind>[] {
  return run.histories.flatMap(({ peer, events }) =>
    events.filter((event) => event.action === kind)
      .map((event) => ({ peer, ...event }) as EventOf<Kind>)
  );
}

/** Groups items by key, in order. */
function by<T>(
  items: Iterable<T>,
  keyOf: (item: T) => string,
): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

const RULES = {
  /** Every acknowledged message of a kept channel exists with its id. */
  "acknowledged messages are there"(run: Run): string[] {
    const ids = new Map(run.end.messages.map(({ key, id }) => [key, id]));
    return all(run, "published")
      .filter(({ channel }) => run.end.keptChannels.includes(channel))
      .flatMap(({ peer, keys, ids: returned }) =>
        keys.flatMap((key, i) =>
          ids.get(key) === returned[i] ? [] : [
            `${peer} was told the id ${returned[i]} of ${key}, found ` +
            `${ids.get(key)}`,
          ]
        )
      );
  },

  /** Each message exists at most once. */
  "each message is there once"(run: Run): string[] {
    return [...by(run.end.messages, ({ key }) => key)]
      .filter(([, found]) => found.length > 1)
      .map(([key, found]) =>
        `${key} is ${found.map(({ id }) => id).join(", ")}`
      );
  },

  /** The messages of one call exist together or not at all. */
  "groups are whole"(run: Run): string[] {
    const there = new Set(run.end.messages.map(({ key }) => key));
    return all(run, "publishing")
      .filter(({ group, channel }) =>
        group && run.end.keptChannels.includes(channel)
      )
      .flatMap(({ peer, keys }) => {
        const found = keys.filter((key) => there.has(key));
        return found.length === 0 || found.length === keys.length
          ? []
          : [`${peer}: of ${keys.join(", ")} only ${found.join(", ")}`];
      });
  },

  /**
   * A delivered message exists to the end, and its publisher had started to
   * publish it.
   */
  "nothing is delivered before its commit"(run: Run): string[] {
    const begun = new Map(
      all(run, "publishing").flatMap(({ keys, at }) =>
        keys.map((key) => [key, at] as const)
      ),
    );
    const there = new Map(run.end.messages.map(({ id, key }) => [id, key]));
    const channels = channelOf(run);
    return all(run, "delivered").flatMap(
      ({ peer, id, key, at, subscription }) => {
        const since = begun.get(key);
        if (since === undefined || since > at) {
          return [`${peer} got ${key} at ${at}, published from ${since} on`];
        }
        const isKept = run.end.keptChannels.includes(
          channels.get(subscription)!,
        );
        return !isKept || there.get(id) === key
          ? []
          : [`${peer} got ${key} as ${id}, where ${there.get(id)} is`];
      },
    );
  },

  /** The ids of a subscription's deliveries increase. */
  "subscriptions are in order"(run: Run): string[] {
    return [...by(all(run, "delivered"), ({ subscription }) => subscription)]
      .flatMap(([subscription, delivered]) =>
        pairs(delivered).flatMap(([one, next]) =>
          Number(one.id) < Number(next.id)
            ? []
            : [`${subscription} got ${next.id} after ${one.id}`]
        )
      );
  },

  /** The ids of a process's consecutive publishes increase. */
  "publishes are in order"(run: Run): string[] {
    return run.histories.flatMap(({ peer, events }) => {
      const ids = events.flatMap((event) =>
        event.action === "published" ? event.ids : []
      );
      return pairs(ids).flatMap(([one, next]) =>
        Number(one) < Number(next) ? [] : [`${peer}: ${next} after ${one}`]
      );
    });
  },

  /**
   * A subscription gets every message between its start and its last delivery.
   */
  "subscriptions skip nothing"(run: Run): string[] {
    const got = by(all(run, "delivered"), ({ subscription }) => subscription);
    const kept = by(run.end.messages, ({ channel }) => channel);
    return all(run, "subscribed")
      .filter(({ channel }) => run.end.keptChannels.includes(channel))
      .flatMap(({ subscription, channel, cursor }) => {
        const ids = new Set(got.get(subscription)?.map(({ id }) => id));
        const last = Math.max(...[...ids].map(Number));
        return (kept.get(channel) ?? [])
          .filter(({ id }) => Number(id) > Number(cursor) && Number(id) < last)
          .filter(({ id }) => !ids.has(id))
          .map(({ id }) =>
            `${subscription} started after ${cursor}, got ${last}, not ${id}`
          );
      });
  },

  /** A durable name gets each message that still exists. */
  "durable names get each"(run: Run): string[] {
    const got = deliveredUnder(run);
    return [...by(durableSubscriptions(run), ({ durable }) => durable!)]
      .filter(([, [{ channel }]]) => run.end.keptChannels.includes(channel))
      .flatMap(([name, subscriptions]) => {
        const from = Math.min(...subscriptions.map(({ cursor }) => +cursor));
        return run.end.messages
          .filter(({ id, channel }) =>
            channel === subscriptions[0].channel && Number(id) > from
          )
          .filter(({ key }) => !got.get(name)?.has(key))
          .map(({ key, id }) => `${name} never got ${key} (${id})`);
      });
  },

  /**
   * A durable name counts each message that it did not get as lost. The count
   * may include delivered ones, because a purge may precede their
   * acknowledgement.
   */
  "losses are counted"(run: Run): string[] {
    const got = deliveredUnder(run);
    return [...by(durableSubscriptions(run), ({ durable }) => durable!)]
      .flatMap(([name, subscriptions]) => {
        const [{ channel }] = subscriptions;
        const from = Math.min(...subscriptions.map(({ cursor }) => +cursor));
        // A message that expired before the name existed is not a loss.
        const since = Math.min(...subscriptions.map(({ at }) => at));
        const min = all(run, "published")
          .filter((one) => one.channel === channel && begunAt(run, one) > since)
          .flatMap(({ keys, ids }) =>
            keys.filter((key, i) =>
              Number(ids[i]) > from && !got.get(name)?.has(key)
            )
          ).length;
        const max = all(run, "publishing")
          .filter((one) => one.channel === channel)
          .reduce((sum, { keys }) => sum + keys.length, 0);
        const lost = run.end.names.find((one) => one.name === name)?.lost ?? 0;
        return lost >= min && lost <= max
          ? []
          : [`${name} counts ${lost}, of ${min} to ${max}`];
      });
  },

  /** A durable name does not get an acknowledged message again. */
  "nothing comes after its ack"(run: Run): string[] {
    const nameOf = new Map(
      durableSubscriptions(run).map(({ subscription, durable }) => [
        subscription,
        durable!,
      ]),
    );
    const acked = by(
      all(run, "acked"),
      ({ subscription }) => nameOf.get(subscription)!,
    );
    // The greatest acknowledged id so far, by time.
    const reached = new Map([...acked].map(([name, acks]) => {
      let greatest = 0;
      return [
        name,
        acks.sort((a, b) => a.at - b.at)
          .map(({ at, id }) => ({
            at,
            id: greatest = Math.max(greatest, +id),
          })),
      ];
    }));
    return all(run, "delivered").flatMap(({ peer, subscription, id, at }) => {
      const name = nameOf.get(subscription);
      if (name === undefined) return [];
      const before = lastBefore(reached.get(name) ?? [], at);
      return before === undefined || Number(id) > before.id
        ? []
        : [`${peer} got ${id} as ${name}, acknowledged up to ${before.id}`];
    });
  },

  /** An exclusive hold has one holder at any time. */
  "exclusive holds have one holder"(run: Run): string[] {
    return [...by(holdsIn(run), ({ resource }) => resource)].flatMap(
      ([resource, holds]) => {
        holds.sort((a, b) => a.from - b.from);
        const found: string[] = [];
        // The holds that end last so far, of all and of the exclusive ones.
        let last: Held | undefined;
        let lastExclusive: Held | undefined;
        for (const hold of holds) {
          const other = hold.exclusive ? last : lastExclusive;
          if (
            other !== undefined && other.to > hold.from &&
            other.token !== hold.token
          ) {
            found.push(
              `${resource} by ${other.peer} (token ${other.token}) until ` +
                `${other.to}, by ${hold.peer} (token ${hold.token}) from ` +
                `${hold.from} on`,
            );
          }
          if (last === undefined || hold.to > last.to) last = hold;
          if (!hold.exclusive) continue;
          if (lastExclusive === undefined || hold.to > lastExclusive.to) {
            lastExclusive = hold;
          }
        }
        return found;
      },
    );
  },

  /** Of two exclusive holds, the later one has the greater token. */
  "tokens grow"(run: Run): string[] {
    const exclusive = holdsIn(run).filter(({ exclusive }) => exclusive);
    return [...by(exclusive, ({ resource }) => resource)].flatMap(
      ([resource, holds]) =>
        pairs(holds.sort((a, b) => a.from - b.from)).flatMap(([one, next]) =>
          one.token < next.token ||
            one.token === next.token && one.peer === next.peer
            ? []
            : [`${resource}: ${next.token} after ${one.token}`]
        ),
    );
  },

  /** A holder keeps a hold that is not taken over and not past its lease. */
  "holds are not lost"(run: Run): string[] {
    return all(run, "lost-hold").map(({ peer, resource, token }) =>
      `${peer} lost ${resource} (token ${token})`
    );
  },

  /** A task is done once, and stays done. */
  "tasks are done once"(run: Run): string[] {
    const statuses = new Map(
      run.end.tasks.map(({ task, status }) => [task, status]),
    );
    const completed = by(all(run, "completed"), ({ resource }) => resource);
    return [...completed].flatMap(([task, times]) =>
      times.length > 1
        ? [`${task} was done by ${times.map(({ peer }) => peer).join(", ")}`]
        : statuses.get(task) !== "done"
        ? [`${task} was done and is ${statuses.get(task)}`]
        : []
    );
  },

  /** An acknowledged task exists. */
  "posted tasks are there"(run: Run): string[] {
    const there = new Set(run.end.tasks.map(({ task }) => task));
    return all(run, "posted").filter(({ task }) => !there.has(task))
      .map(({ peer, task }) => `${task}, posted by ${peer}, is gone`);
  },

  /** Dead sessions hold nothing after another session has looked. */
  "the dead hold nothing"(run: Run): string[] {
    return [...run.end.heldByDead];
  },

  /** The integrity check passes. */
  "the file is healthy"(run: Run): string[] {
    return run.end.integrity === "ok" ? [] : [run.end.integrity];
  },

  /** No action fails except by a kill. */
  "nothing fails"(run: Run): string[] {
    return all(run, "failed").map(({ peer, act, error }) =>
      `${peer} could not ${act}: ${error}`
    );
  },
} satisfies Record<string, (run: Run) => string[]>;

/** The name of a rule, which states its demand. */
export type RuleName = keyof typeof RULES;

/** The names of all rules. */
export const RULE_NAMES = Object.keys(RULES) as readonly RuleName[];

/** Returns the violations of a run. */
export function check(run: Run): Violation[] {
  return RULE_NAMES.flatMap((rule) =>
    RULES[rule](run).map((what) => ({ rule, what }))
  );
}

function channelOf(run: Run): Map<string, string> {
  return new Map(
    all(run, "subscribed").map(({ subscription, channel }) => [
      subscription,
      channel,
    ]),
  );
}

function durableSubscriptions(run: Run): EventOf<"subscribed">[] {
  return all(run, "subscribed").filter(({ durable }) => durable !== undefined);
}

/** Returns the start time of an acknowledged publish. */
function begunAt(run: Run, { peer, keys }: EventOf<"published">): number {
  const history = run.histories.find((one) => one.peer === peer)!;
  const begun = history.events.find((event) =>
    event.action === "publishing" && event.keys[0] === keys[0]
  );
  return begun?.at ?? -Infinity;
}

/** Returns the keys delivered under each durable name. */
function deliveredUnder(run: Run): Map<string, Set<string>> {
  const names = new Map(
    durableSubscriptions(run).map(({ subscription, durable }) => [
      subscription,
      durable!,
    ]),
  );
  const got = new Map<string, Set<string>>();
  for (const { subscription, key } of all(run, "delivered")) {
    const name = names.get(subscription);
    if (name === undefined) continue;
    const keys = got.get(name) ?? new Set();
    got.set(name, keys.add(key));
  }
  return got;
}

interface Held {
  readonly peer: string;
  readonly resource: string;
  readonly token: number;
  readonly exclusive: boolean;
  readonly from: number;
  readonly to: number;
}

/**
 * Returns the time in which each hold was certainly held. It ends at the
 * holder's next event on the hold, or at the holder's kill, or at the holder's
 * last event.
 */
function holdsIn(run: Run): Held[] {
  const killedAt = new Map(
    all(run, "killing").map(({ victim, at }) => [victim, at]),
  );
  return run.histories.flatMap(({ peer, events }) => {
    const held: Held[] = [];
    events.forEach((event, i) => {
      if (event.action !== "acquired") return;
      const next = events.slice(i + 1).find((later) =>
        "token" in later && later.token === event.token &&
        later.resource === event.resource
      );
      held.push({
        peer,
        resource: `${event.kind} ${event.resource}`,
        token: event.token,
        exclusive: event.exclusive,
        from: event.at,
        to: next?.at ?? killedAt.get(peer) ?? events.at(-1)!.at,
      });
    });
    return held;
  });
}

function pairs<T>(items: readonly T[]): [T, T][] {
  return items.slice(1).map((item, i) => [items[i], item]);
}

/** Returns the last item of a sorted list before a time. */
function lastBefore<T extends { readonly at: number }>(
  sorted: readonly T[],
  at: number,
): T | undefined {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle].at < at) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}

/** Reads a run from a folder: the histories and `end.json`. */
export function readRun(folder: string): Run {
  return {
    histories: readHistories(folder),
    end: JSON.parse(Deno.readTextFileSync(`${folder}/end.json`)) as End,
  };
}

if (import.meta.main) {
  const violations = check(readRun(Deno.args[0]));
  for (const { rule, what } of violations) console.log(`${rule}: ${what}`);
  if (violations.length > 0) Deno.exit(1);
}
