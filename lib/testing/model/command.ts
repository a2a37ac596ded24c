/**
 * Commands of a random history. They are plain values, so that a failing history
 * can be shrunk and printed.
 *
 * `which` counts back from the latest: 0 is the last lock, claim or message, held
 * or not. The model and the store both skip a command without an object.
 *
 * @module
 */

import fc from "fast-check";
import type { DeliveryState } from "../../model/delivery.ts";
import type { LockType } from "../../model/lock.ts";

/** Sessions of a history, each with a store of its own. */
export const SESSIONS = ["ann", "bob", "eve"] as const;

/** Channels on which they publish. */
export const CHANNELS = ["a", "b"] as const;

/** Paths that they lock: a folder, a file in it, and a file beside it. */
export const PATHS = ["/d", "/d/x", "/e"] as const;

/** Ids of their tasks. */
export const TASKS = ["T-0", "T-1", "T-2"] as const;

/**
 * Step of the clock, in milliseconds. No lease or TTL of a history is within
 * seconds of a multiple of it, so that a running clock makes no difference.
 */
export const STEP_MS = 70_000;

/** Durations: less than a step, a few steps, or many. */
export const LASTING_MS: readonly number[] = [35_000, 105_000, 1_085_000];

/** Command of a history. */
export type Command =
  | {
    readonly act: "publish";
    readonly by: number;
    readonly channel: number;
    readonly lasts: number;
    readonly to: number | null;
  }
  | {
    readonly act: "publish to no session";
    readonly by: number;
    atomic: boolean;
  }
  | { readonly act: "pass"; readonly steps: number }
  | { readonly act: "purge"; readonly by: number }
  | { readonly act: "register" | "end"; readonly by: number }
  | {
    readonly act: "update";
    readonly by: number;
    readonly status: "active" | "idle";
  }
  | { readonly act: "take name" | "release name"; readonly by: number }
  | { readonly act: "acknowledge"; readonly which: number }
  | {
    readonly act: "lock";
    readonly by: number;
    readonly path: number;
    readonly type: LockType;
    readonly lasts: number;
    readonly else: "refuse" | "wait" | "take over";
  }
  | {
    readonly act: "unlock";
    readonly which: number;
    readonly entirely: boolean;
  }
  | { readonly act: "renew lock"; readonly which: number; lasts: number }
  | { readonly act: "check" | "leave"; readonly which: number }
  | {
    readonly act: "post";
    readonly by: number;
    readonly task: number;
    readonly priority: number;
    readonly needs: number | null;
  }
  | {
    readonly act: "claim";
    readonly by: number;
    readonly task: number | null;
    readonly lasts: number;
  }
  | {
    readonly act: "end claim";
    readonly which: number;
    readonly status: "done" | "failed" | "open";
  }
  | { readonly act: "renew claim"; readonly which: number; lasts: number }
  | {
    readonly act: "move";
    readonly which: number;
    readonly state: DeliveryState;
  }
  | {
    readonly act: "batch";
    readonly by: number;
    readonly lock: number;
    readonly claim: number;
  };

/** Returns an arbitrary of histories of at most `commandsMax` commands. */
export function histories(
  commandsMax: number,
  batches: boolean,
): fc.Arbitrary<Command[]> {
  const by = fc.nat(SESSIONS.length - 1);
  const lasts = fc.nat(LASTING_MS.length - 1);
  const which = fc.constantFrom(0, 0, 1, 2);
  const perhaps = (of: fc.Arbitrary<number>) => fc.option(of, { freq: 2 });
  const act = <const T extends string>(...acts: T[]) =>
    fc.constantFrom(...acts);
  // The weights make acts of two sessions, such as waiting, about as frequent as
  // acts of one.
  const commands: readonly (readonly [number, fc.Arbitrary<Command>])[] = [
    [
      6,
      fc.record({
        act: act("publish"),
        by,
        channel: fc.nat(CHANNELS.length - 1),
        lasts,
        to: perhaps(by),
      }),
    ],
    [
      1,
      fc.record({
        act: act("publish to no session"),
        by,
        atomic: fc.boolean(),
      }),
    ],
    [4, fc.record({ act: act("pass"), steps: fc.constantFrom(1, 2, 10) })],
    [1, fc.record({ act: act("purge"), by })],
    [2, fc.record({ act: act("register"), by })],
    [1, fc.record({ act: act("end"), by })],
    [1, fc.record({ act: act("update"), by, status: act("active", "idle") })],
    [3, fc.record({ act: act("take name"), by })],
    [1, fc.record({ act: act("release name"), by })],
    [3, fc.record({ act: act("acknowledge"), which })],
    [
      14,
      fc.record({
        act: act("lock"),
        by,
        path: fc.nat(PATHS.length - 1),
        type: act("exclusive", "exclusive", "advisory"),
        lasts,
        else: act("refuse", "wait", "wait", "take over"),
      }),
    ],
    [9, fc.record({ act: act("unlock"), which, entirely: fc.boolean() })],
    [2, fc.record({ act: act("renew lock"), which, lasts })],
    [4, fc.record({ act: act("check"), which })],
    [4, fc.record({ act: act("leave"), which })],
    [
      6,
      fc.record({
        act: act("post"),
        by,
        task: fc.nat(TASKS.length - 1),
        priority: fc.nat(1),
        needs: perhaps(fc.nat(TASKS.length - 1)),
      }),
    ],
    [
      8,
      fc.record({
        act: act("claim"),
        by,
        task: perhaps(fc.nat(TASKS.length - 1)),
        lasts,
      }),
    ],
    [
      5,
      fc.record({
        act: act("end claim"),
        which,
        status: act("done", "failed", "open"),
      }),
    ],
    [2, fc.record({ act: act("renew claim"), which, lasts })],
    [
      4,
      fc.record({
        act: act("move"),
        which,
        state: act("noticed", "injected", "acked"),
      }),
    ],
    [
      batches ? 4 : 0,
      fc.record({ act: act("batch"), by, lock: which, claim: which }),
    ],
  ];
  const weighted = commands.map(([weight, arbitrary]) => ({
    weight,
    arbitrary,
  }));
  return fc.array(fc.oneof(...weighted), {
    maxLength: commandsMax,
    size: "max",
  });
}

/** Returns the element that is `which` before the last, if there is any. */
export function latest<T>(of: readonly T[], which: number): T | undefined {
  return of.at(-1 - which % Math.max(of.length, 1));
}
