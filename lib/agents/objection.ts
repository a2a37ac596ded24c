/**
 * What stands against an edit of one path, in words for the model: who, since
 * when, on what task, and what to do.
 *
 * @module
 */

import type { Hold } from "../locks.ts";
import type { EditObstacle } from "../store.ts";
import { plainName, plainPath, plainText } from "./frame.ts";
import type { Policy } from "./policy.ts";

/** What stands against an edit of one path. */
export interface Objection {
  /** The path. */
  readonly path: string;
  /** The session whose work is in the way. */
  readonly session: string;
  /** What it consists of: another one is denied anew. */
  readonly key: string;
  /**
   * `firm` holds as long as it lasts, `soft` gives way to a retry, `inform`
   * stops nothing.
   */
  readonly force: "firm" | "soft" | "inform";
  /** The facts, for the model. */
  readonly facts: string;
}

const REASON_CHARS_MAX = 300;

/** The objection that an obstacle is, under a policy; undefined if it is none. */
export function objectionTo(
  { target: { path }, holds, touches }: EditObstacle,
  { onOverlap }: Policy,
  nowMs: number,
): Objection | undefined {
  const exclusive = holds.filter(({ type }) => type === "exclusive");
  if (exclusive.length > 0) {
    const { session } = exclusive[0];
    return {
      path,
      session,
      key: keyOf(exclusive),
      force: "firm",
      facts: `${describe(exclusive)}. Do not edit it now: wait for it ` +
        `(mbus lock ${word(plainPath(path))} --wait 60s), ` +
        `${asking(session)}or work elsewhere.`,
    };
  }
  if (holds.length === 0 && touches.length === 0) return undefined;
  const [touch] = touches;
  const facts = [];
  if (holds.length > 0) facts.push(`${describe(holds)}.`);
  if (touch !== undefined) {
    facts.push(
      `${plainName(touch.session)} has changed ${plainPath(path)} ` +
        `${ago(nowMs - touch.touchedAtMs)}, after you read it.`,
    );
  }
  // Who changed it is not in the way any more: only who is editing it blocks.
  const force = onOverlap === "inform"
    ? "inform"
    : onOverlap === "block" && holds.length > 0
    ? "firm"
    : "soft";
  if (force === "firm") {
    facts.push("Work elsewhere, or ask them to release it.");
  } else if (force === "soft") {
    facts.push(
      "Read the file again; if your edit is still right, retry: the retry passes.",
    );
  }
  return {
    path,
    session: holds[0]?.session ?? touch.session,
    key: [
      keyOf(holds),
      ...(touch === undefined
        ? []
        : [`changed:${touch.session}:${touch.touchedAtMs}`]),
    ].join(" "),
    force,
    facts: facts.join(" "),
  };
}

function keyOf(holds: readonly Hold[]): string {
  return holds.map(({ session, token, type }) => `${session}:${token}:${type}`)
    .sort().join(" ");
}

function describe(holds: readonly Hold[]): string {
  return holds.map((hold) => {
    const how = hold.type === "exclusive" ? "holds exclusively" : "is editing";
    const covered = plainPath(hold.path);
    const what = hold.kind === "file" ? covered : `${covered} (a ${hold.kind})`;
    return `${plainName(hold.session)} (${plainName(hold.vendor)}) ${how} ` +
      `${what} since ${hold.since}` +
      (hold.task === undefined ? "" : `, on task ${plainName(hold.task)}`) +
      (hold.why === undefined ? "" : `, saying: "${oneLine(hold.why)}"`);
  }).join("; ");
}

/** How to ask a session, if its id is one that the bus gives. */
function asking(session: string): string {
  return /^[\w.\-/:~@+]{1,128}$/.test(session)
    ? `ask its holder (mbus ask ${session} '"…"'), `
    : "";
}

/** A peer's words on one line that ends where it ends. */
function oneLine(text: string): string {
  return plainText(text.slice(0, REASON_CHARS_MAX)).replace(/[\s"]+/g, " ");
}

/** A path as one word of a shell. */
function word(path: string): string {
  return /^[\w./:=@%+,-]+$/.test(path)
    ? path
    : `'${path.replaceAll("'", `'\\''`)}'`;
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120
    ? `${seconds} s ago`
    : `${Math.round(seconds / 60)} min ago`;
}
