/**
 * Messages between the demo's director and its sessions.
 *
 * @module
 */

import type { Blocker, Json, LockOverlap } from "../../mod.ts";

/** An order to a session. */
export type Order =
  | { readonly do: "register"; readonly model: string }
  | { readonly do: "publish"; readonly status: string }
  | { readonly do: "chatter"; readonly messages: number }
  | { readonly do: "claim" | "complete" | "unlock" }
  | {
    readonly do: "lock";
    readonly path: string;
    readonly exclusive: boolean;
    readonly waitMs: number;
    readonly why?: string;
  }
  | { readonly do: "ask"; readonly to: string; readonly text: string };

/** An event of a session. */
export type SessionEvent =
  | { readonly what: "listening"; readonly mode: string }
  | { readonly what: "registered" }
  | {
    readonly what: "received";
    readonly channel: string;
    readonly sender: string;
    readonly payload: Json;
    readonly ms?: number;
  }
  | { readonly what: "chattered" }
  | { readonly what: "claimed"; readonly task?: string }
  | { readonly what: "waiting"; readonly blocker: Blocker }
  | {
    readonly what: "locked";
    readonly at: number;
    readonly token: number;
    readonly overlaps: readonly LockOverlap[];
  }
  | { readonly what: "unlocking"; readonly at: number }
  | { readonly what: "answered"; readonly text: string; readonly ms: number };

/** Returns the time in milliseconds, comparable between processes. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
