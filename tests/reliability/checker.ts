/**
 * The checker: whether the histories of a run can be those of a bus that keeps
 * its promises.
 *
 * It is pure: histories and what was found at the end go in, violations come
 * out. It knows nothing of the library, and judges by what processes wrote
 * down and by rows read with plain SQL. Each rule errs on the side of silence:
 * what a kill left undecided (a publish without an answer) may be or not be.
 *
 * As a program it judges a folder: `deno run -A checker.ts ‹folder›` prints
 * each violation on a line, and exits 1 if there is any.
 *
 * @module
 */

import { type Event, type History, readHistories } from "./history.ts";

/** A message as it is found in the database at the end. */
export interface KeptMessage {
  /** Its id. */
  readonly id: string;
  /** Its channel. */
  readonly channel: string;
  /** What its payload says: a name that no other message has. */
  readonly key: string;
}

/** What was found when all processes of a run were dead, and were looked for. */
export interface End {
  /** The channels of which nothing was to be purged. */
  readonly keptChannels: readonly string[];
  /** What is in the database. */
  readonly messages: readonly KeptMessage[];
  /** The durable names, with what each has lost. */
  readonly names: readonly { readonly name: string; readonly lost: number }[];
  /** The tasks. */
  readonly tasks: readonly { readonly task: string; readonly status: string }[];
  /** What the dead still hold: locks, claims, names, places in queues. */
  readonly heldByDead: readonly string[];
  /** What SQLite's integrity check says. */
  readonly integrity: string;
}

/** A run: what its processes wrote, and what was found afterwards. */
export interface Run {
  /** The histories. */
  readonly histories: readonly History[];
  /** What was found. */
  readonly end: End;
}

/** A broken promise. */
export interface Violation {
  /** The rule. */
  readonly rule: RuleName;
  /** What happened. */
  readonly what: string;
}

type Told<Kind extends Event["deed"]> =
  & { readonly peer: string }
  & Extract<Event, { deed: Kind }>;

/** The deeds of a kind, of all processes. */
function all<Kind extends Event["deed"]>(run: Run, kind: Kind): Told<Kind>[] {
  return run.histories.flatMap(({ peer, events }) =>
    events.filter((event) => event.deed === kind)
      .map((event) => ({ peer, ...event }) as Told<Kind>)
  );
}

/** Groups what belongs together, in the order in which it comes. */
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
  /** Every acknowledged message of a kept channel is there, under its id. */
  "acknowledged messages are there"(run: Run): string[] {
    const ids = new Map(run.end.messages.map(({ key, id }) => [key, id]));
    return all(run, "published")
      .filter(({ channel }) => run.end.keptChannels.includes(channel))
      .flatMap(({ peer, keys, ids: told }) =>
        keys.flatMap((key, i) =>
          ids.get(key) === told[i] ? [] : [
            `${peer} was told that ${key} is ${told[i]}, found ${ids.get(key)}`,
          ]
        )
      );
  },

  /** Nothing is there twice. */
  "each message is there once"(run: Run): string[] {
    return [...by(run.end.messages, ({ key }) => key)]
      .filter(([, found]) => found.length > 1)
      .map(([key, found]) =>
        `${key} is ${found.map(({ id }) => id).join(", ")}`
      );
  },

  /** What one call stores is there whole, or not at all. */
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
   * What was delivered had been committed: it is there to the end, and its
   * publisher had begun to publish it.
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

  /** A subscription gets ever greater ids. */
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

  /** What one process published one after the other has its ids in that order. */
  "publishes are in order"(run: Run): string[] {
    return run.histories.flatMap(({ peer, events }) => {
      const ids = events.flatMap((event) =>
        event.deed === "published" ? event.ids : []
      );
      return pairs(ids).flatMap(([one, next]) =>
        Number(one) < Number(next) ? [] : [`${peer}: ${next} after ${one}`]
      );
    });
  },

  /** Between its beginning and the last it got, a subscription got all. */
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
            `${subscription} began after ${cursor}, got ${last}, not ${id}`
          );
      });
  },

  /** Under a durable name, each message that stayed was delivered. */
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
   * What a durable name did not get was counted as lost, and no more than there
   * was: one may be delivered, purged as over, and then acknowledged.
   */
  "losses are counted"(run: Run): string[] {
    const got = deliveredUnder(run);
    return [...by(durableSubscriptions(run), ({ durable }) => durable!)]
      .flatMap(([name, subscriptions]) => {
        const [{ channel }] = subscriptions;
        const from = Math.min(...subscriptions.map(({ cursor }) => +cursor));
        // What was over before the name was there is none of its losses.
        const since = Math.min(...subscriptions.map(({ at }) => at));
        const least = all(run, "published")
          .filter((one) => one.channel === channel && begunAt(run, one) > since)
          .flatMap(({ keys, ids }) =>
            keys.filter((key, i) =>
              Number(ids[i]) > from && !got.get(name)?.has(key)
            )
          ).length;
        const most = all(run, "publishing")
          .filter((one) => one.channel === channel)
          .reduce((sum, { keys }) => sum + keys.length, 0);
        const told = run.end.names.find((one) => one.name === name)?.lost ?? 0;
        return told >= least && told <= most
          ? []
          : [`${name} counts ${told}, of ${least} to ${most}`];
      });
  },

  /** What was acknowledged under a durable name does not come again. */
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
    // The greatest acknowledged so far, by time.
    const reached = new Map([...acked].map(([name, acks]) => {
      let most = 0;
      return [
        name,
        acks.sort((a, b) => a.at - b.at)
          .map(({ at, id }) => ({ at, id: most = Math.max(most, +id) })),
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

  /** What is held exclusively is held by one at any instant. */
  "exclusive holds have one holder"(run: Run): string[] {
    return [...by(holdsIn(run), ({ resource }) => resource)].flatMap(
      ([resource, holds]) => {
        holds.sort((a, b) => a.from - b.from);
        const found: string[] = [];
        // Whoever reaches furthest so far, among all and among the exclusive.
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

  /** Of two exclusive holds the later one has the greater token. */
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

  /** Nobody loses a hold that is neither taken over nor past its lease. */
  "holds are not lost"(run: Run): string[] {
    return all(run, "lost-hold").map(({ peer, resource, token }) =>
      `${peer} lost ${resource} (token ${token})`
    );
  },

  /** A task is done once, and stays so. */
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

  /** A task that was acknowledged as posted is there. */
  "posted tasks are there"(run: Run): string[] {
    const there = new Set(run.end.tasks.map(({ task }) => task));
    return all(run, "posted").filter(({ task }) => !there.has(task))
      .map(({ peer, task }) => `${task}, posted by ${peer}, is gone`);
  },

  /** The dead hold nothing once somebody has looked. */
  "the dead hold nothing"(run: Run): string[] {
    return [...run.end.heldByDead];
  },

  /** The file is sound. */
  "the file is sound"(run: Run): string[] {
    return run.end.integrity === "ok" ? [] : [run.end.integrity];
  },

  /** Nothing failed that nobody has made fail. */
  "nothing fails"(run: Run): string[] {
    return all(run, "failed").map(({ peer, act, error }) =>
      `${peer} could not ${act}: ${error}`
    );
  },
} satisfies Record<string, (run: Run) => string[]>;

/** The name of a rule, which is what it demands. */
export type RuleName = keyof typeof RULES;

/** Every rule. */
export const RULE_NAMES = Object.keys(RULES) as readonly RuleName[];

/** All that speaks against a run. */
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

function durableSubscriptions(run: Run): Told<"subscribed">[] {
  return all(run, "subscribed").filter(({ durable }) => durable !== undefined);
}

/** When the publish began that was acknowledged so. */
function begunAt(run: Run, { peer, keys }: Told<"published">): number {
  const history = run.histories.find((one) => one.peer === peer)!;
  const begun = history.events.find((event) =>
    event.deed === "publishing" && event.keys[0] === keys[0]
  );
  return begun?.at ?? -Infinity;
}

/** What was delivered under each durable name. */
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
 * From when to when each hold was held for certain: from its acquisition to
 * the next that its holder says of it, else to the kill of its holder, else to
 * the last that the holder says at all.
 */
function holdsIn(run: Run): Held[] {
  const killedAt = new Map(
    all(run, "killing").map(({ victim, at }) => [victim, at]),
  );
  return run.histories.flatMap(({ peer, events }) => {
    const held: Held[] = [];
    events.forEach((event, i) => {
      if (event.deed !== "acquired") return;
      const over = events.slice(i + 1).find((later) =>
        "token" in later && later.token === event.token &&
        later.resource === event.resource
      );
      held.push({
        peer,
        resource: `${event.kind} ${event.resource}`,
        token: event.token,
        exclusive: event.exclusive,
        from: event.at,
        to: over?.at ?? killedAt.get(peer) ?? events.at(-1)!.at,
      });
    });
    return held;
  });
}

function pairs<T>(items: readonly T[]): [T, T][] {
  return items.slice(1).map((item, i) => [items[i], item]);
}

/** The last of a sorted list that is before a time. */
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

/** Reads a run from a folder: histories, and `end.json`. */
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
