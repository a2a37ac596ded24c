/**
 * Before and after an edit: whose file it is, and whether it is still what the
 * model has read.
 *
 * Before the edit, for every path of the call:
 *
 * 1. Held exclusively by another session: denied, as long as it is.
 * 2. Edited by another session (an advisory lock): as the policy says.
 * 3. Changed by another session since this one read it: as the policy says, for
 *    this is the lost update that no lock catches.
 * 4. Else an advisory lock is taken, for ten minutes, renewed by touching the
 *    file again.
 *
 * One denial is enough for all paths, and a denied edit takes no lock.
 *
 * @module
 */

import { InvalidInputError } from "../errors.ts";
import { type LockTarget, lockTarget } from "../lock_target.ts";
import type { Hold } from "../locks.ts";
import type { Case, Verdict } from "./case.ts";
import { ALLOW, readNote, writeNotes } from "./case.ts";
import { type Denial, judge } from "./denials.ts";
import { type FileStamp, hasChanged, stampOf } from "./file_stamp.ts";
import { plainText } from "./frame.ts";

const LEASE_MS = 10 * 60 * 1000;
const PATHS_MAX = 100;
const ACTIVE_FILES_MAX = 20;

/** What stands against an edit of one path. */
interface Objection {
  readonly path: string;
  /** What it consists of: another one is denied anew. */
  readonly key: string;
  /** Whether it holds as long as it lasts, or gives way to a retry. */
  readonly firm: boolean;
  /** The facts, for the model. */
  readonly facts: string;
}

/** What a session read, and when. */
interface ReadNote extends FileStamp {
  readonly atMs: number;
}

/** Judges an edit of `paths`, as given by the agent, and takes their locks. */
export async function beforeEdit(
  hook: Case,
  paths: readonly string[],
): Promise<Verdict> {
  const targets = targetsOf(hook, paths);
  const standing: Objection[] = [];
  for (const target of targets) {
    const objection = await objectionTo(hook, target);
    if (objection !== undefined && await isDenied(hook, objection)) {
      standing.push(objection);
    }
  }
  if (standing.length > 0) return denial(standing);
  for (const target of targets) await take(hook, target);
  await showActive(hook, targets);
  return ALLOW;
}

/** Notes that the session has changed `paths`. */
export async function afterEdit(
  hook: Case,
  paths: readonly string[],
): Promise<void> {
  const targets = targetsOf(hook, paths);
  await hook.store.touchFiles(
    hook.session.id,
    targets.map(({ path }) => path),
  );
  await noteRead(hook, targets);
}

/** Notes that the session has read `paths`. */
export async function afterRead(
  hook: Case,
  paths: readonly string[],
): Promise<void> {
  await noteRead(hook, targetsOf(hook, paths));
}

/** The paths as targets of locks; what can be none is left out. */
export function targetsOf(hook: Case, paths: readonly string[]): LockTarget[] {
  const targets: LockTarget[] = [];
  for (const path of new Set(paths.slice(0, PATHS_MAX))) {
    try {
      targets.push(lockTarget(path, hook.event.cwd || Deno.cwd()));
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      hook.log(error.message);
    }
  }
  return targets;
}

async function objectionTo(
  hook: Case,
  target: LockTarget,
): Promise<Objection | undefined> {
  const holds = await hook.store.locks({ project: null, overlapping: target });
  const others = holds.filter(({ session }) => session !== hook.session.id);
  const exclusive = others.filter(({ type }) => type === "exclusive");
  if (exclusive.length > 0) {
    return {
      path: target.path,
      key: keyOf(exclusive),
      firm: true,
      facts: `${describe(exclusive)}. Do not edit it now: wait for it ` +
        `("mbus lock ${target.path} --wait 60s"), ask its holder ` +
        `("mbus ask ${exclusive[0].session} '\\"…\\"'"), or work elsewhere.`,
    };
  }
  if (others.length > 0 && hook.policy.onOverlap !== "inform") {
    return {
      path: target.path,
      key: keyOf(others),
      firm: hook.policy.onOverlap === "block",
      facts: `${describe(others)}. ` +
        (hook.policy.onOverlap === "block"
          ? "Work elsewhere, or ask them to release it."
          : "If your edit is still right, read the file again and retry: the " +
            "retry passes."),
    };
  }
  return await staleness(hook, target);
}

async function staleness(
  hook: Case,
  target: LockTarget,
): Promise<Objection | undefined> {
  if (target.kind !== "file" || hook.policy.onOverlap === "inform") {
    return undefined;
  }
  const read = await readNote<ReadNote>(hook, readKey(target.path));
  if (read === undefined || !hasChanged(target.path, read)) return undefined;
  const touches = await hook.store.touchesOf(target.path, read.atMs);
  const [touch] = touches.filter(({ session }) => session !== hook.session.id);
  if (touch === undefined) return undefined;
  return {
    path: target.path,
    key: `changed:${touch.session}:${touch.touchedAtMs}`,
    firm: false,
    facts: `${plainText(touch.session)} has changed ${target.path} ` +
      `${ago(hook.nowMs - touch.touchedAtMs)}, after you read it. Read it ` +
      `again before you edit it: the retry passes.`,
  };
}

function keyOf(holds: readonly Hold[]): string {
  return holds.map(({ session, token, type }) => `${session}:${token}:${type}`)
    .sort().join(" ");
}

function describe(holds: readonly Hold[]): string {
  return holds.map((hold) => {
    const how = hold.type === "exclusive" ? "holds exclusively" : "is editing";
    const what = hold.kind === "file"
      ? hold.path
      : `${hold.path} (a ${hold.kind})`;
    return `${plainText(hold.session)} (${
      plainText(hold.vendor)
    }) ${how} ${what} ` +
      `since ${hold.since}` +
      (hold.task === undefined ? "" : `, on task ${plainText(hold.task)}`) +
      (hold.why === undefined ? "" : `, saying: "${plainText(hold.why)}"`);
  }).join("; ");
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120
    ? `${seconds} s ago`
    : `${Math.round(seconds / 60)} min ago`;
}

async function isDenied(hook: Case, objection: Objection): Promise<boolean> {
  if (objection.firm) return true;
  const { event, nowMs } = hook;
  const key = `denied:${event.agentId ?? ""}:${objection.path}`;
  const call = event.kind === "before-tool" ? event.tool.callId : undefined;
  const before = await readNote<Denial>(hook, key);
  const { denied, denial } = judge(before, objection.key, call, nowMs);
  if (denial !== before) await writeNotes(hook, { [key]: denial });
  return denied;
}

function denial(objections: readonly Objection[]): Verdict {
  const reason = objections.map(({ facts }) => facts).join("\n");
  return {
    decision: { verdict: "deny", reason: `[message-bus] ${reason}` },
    told: () => Promise.resolve(),
  };
}

async function take(hook: Case, target: LockTarget): Promise<void> {
  const { store, session, event } = hook;
  const own = await store.locks({
    project: null,
    session: session.id,
    path: target.path,
  });
  const held = own.find((hold) => (hold.agent ?? "") === (event.agentId ?? ""));
  if (held !== undefined) {
    // Renewed by touching that file, and by nothing else; never shortened.
    const left = Date.parse(held.expiresAt) - hook.nowMs;
    await store.renewLock(held, Math.max(LEASE_MS, left));
    return;
  }
  await store.acquireLock({
    session: session.id,
    agent: event.agentId ?? "",
    target: { ...target, project: target.project ?? session.project },
    type: "advisory",
    leaseMs: LEASE_MS,
    takeOver: false,
    wait: false,
    alongside: [],
  });
}

async function showActive(
  hook: Case,
  targets: readonly LockTarget[],
): Promise<void> {
  const paths = targets.map(({ path }) => path);
  const before = hook.session.activeFiles;
  if (paths.every((path) => before.includes(path))) return;
  const active = [...paths, ...before.filter((path) => !paths.includes(path))];
  await hook.store.updateSession(hook.session.id, {
    status: "active",
    activeFiles: active.slice(0, ACTIVE_FILES_MAX),
  });
}

async function noteRead(
  hook: Case,
  targets: readonly LockTarget[],
): Promise<void> {
  const notes = targets.filter(({ kind }) => kind === "file").map(
    ({ path }) => {
      const note: ReadNote = {
        ...stampOf(path, { hash: true }),
        atMs: hook.nowMs,
      };
      return [readKey(path), note] as const;
    },
  );
  if (notes.length > 0) await writeNotes(hook, Object.fromEntries(notes));
}

function readKey(path: string): string {
  return `read:${path}`;
}
