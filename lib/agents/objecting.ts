/**
 * Judging what speaks against an edit: whether the model is stopped, and told
 * why, or goes on, and is told after.
 *
 * @module
 */

import type { EditObstacle } from "../store.ts";
import { type Case, notesOf, type Verdict } from "./case.ts";
import { type Denial, judge } from "./denials.ts";
import type { ReadNote } from "./edits.ts";
import { hasChanged } from "./file_stamp.ts";
import { informNotes } from "./informing.ts";
import { type Objection, objectionTo } from "./objection.ts";

/** The denial, if the obstacles come to one. */
export async function judgeObstacles(
  hook: Case,
  obstacles: readonly EditObstacle[],
  reads: ReadonlyMap<string, ReadNote>,
): Promise<Verdict | undefined> {
  const policy = hook.policy();
  const objections = obstacles
    .map((obstacle) => withoutSame(obstacle, reads))
    .map((obstacle) => objectionTo(obstacle, policy, hook.nowMs))
    .filter((objection) => objection !== undefined);
  return await isDenied(hook, objections) ? denial(objections) : undefined;
}

/** Leaves out changes after which the file is what it was when it was read. */
function withoutSame(
  obstacle: EditObstacle,
  reads: ReadonlyMap<string, ReadNote>,
): EditObstacle {
  const { path } = obstacle.target;
  const read = reads.get(path);
  const differs = obstacle.touches.length > 0 && read !== undefined &&
    hasChanged(path, read);
  return differs ? obstacle : { ...obstacle, touches: [] };
}

/**
 * Whether any of the objections stands, and remembers what was said: each has
 * its own denial and its own retry.
 */
async function isDenied(
  hook: Case,
  objections: readonly Objection[],
): Promise<boolean> {
  const { event, nowMs, store, session } = hook;
  const call = event.kind === "before-tool" ? event.tool.callId : undefined;
  const soft = objections.filter(({ force }) => force !== "firm");
  const keys = soft.map(({ path }) => `denied:${event.agentId ?? ""}:${path}`);
  const notes = await store.readNotes(session.id, keys);
  const changed: Record<string, unknown> = {};
  const untold: Objection[] = [];
  let denied = soft.length < objections.length;
  for (const [at, objection] of soft.entries()) {
    const text = notes.get(keys[at]);
    const before: Denial | undefined = text && JSON.parse(text);
    const judged = judge(before, objection.key, call, nowMs);
    if (objection.force === "inform") {
      if (!judged.denied) continue;
      untold.push(objection);
      changed[keys[at]] = { ...judged.denial, calls: [], passedAtMs: nowMs };
    } else {
      if (judged.denied) denied = true;
      if (judged.denial !== before) changed[keys[at]] = judged.denial;
    }
  }
  await store.noteActivity(session.id, {
    change: { status: "active" },
    notes: new Map([
      ...notesOf(changed),
      ...await informNotes(hook, untold),
    ]),
  });
  return denied;
}

function denial(objections: readonly Objection[]): Verdict {
  const reason = objections.map(({ facts }) => facts).join("\n");
  return {
    decision: { verdict: "deny", reason: `[message-bus] ${reason}` },
    told: () => Promise.resolve(),
  };
}
