/**
 * How much the hooks may interfere: a person's choice, for a project in
 * `.mbus.json` at its root, else for all in `mbus/config.json` in the folder
 * for configuration.
 *
 * ```json
 * { "onOverlap": "warn", "holdAtStop": false, "contextBytesMax": 4096 }
 * ```
 *
 * A mistake in a file never makes a policy weaker. If the file does not say
 * `onOverlap`, or says what is not known, then `inform` of the file before it
 * becomes `warn`. Every mistake is told: by the hook log and by `mbus doctor`.
 *
 * @module
 */

import { readSmallFile } from "../path/small_file.ts";

/** What happens before an edit of a file that another session edits, too. */
export type OverlapPolicy = "warn" | "inform" | "block";

/** What a person chose. */
export interface Policy {
  /**
   * `warn` denies once with the facts and lets the retry pass, `inform` lets it
   * pass and tells the model after, `block` denies as long as it lasts.
   * @default {"warn"}
   */
  readonly onOverlap: OverlapPolicy;
  /**
   * Whether pending direct messages hold a stopping agent for one more turn.
   * @default {false}
   */
  readonly holdAtStop: boolean;
  /**
   * How much peers' text is put before a model at once, in bytes.
   * @default {4096}
   */
  readonly contextBytesMax: number;
}

/** The policy where no file sets one. */
export const DEFAULT_POLICY: Policy = Object.freeze({
  onOverlap: "warn",
  holdAtStop: false,
  contextBytesMax: 4096,
});

/** A file of configuration, and where it has to be. */
export interface PolicyFile {
  /** Its path. */
  readonly path: string;
  /** The folder that a link may not lead out of. */
  readonly within?: string;
}

/** What is in a file of configuration. */
export interface PolicySaid {
  /** What it says that is known. */
  readonly given: Partial<Policy>;
  /** What is wrong with it, a sentence each. */
  readonly troubles: readonly string[];
}

/**
 * The files of configuration, the one that counts most last.
 *
 * @param worktree The root of the working copy, a canonical path.
 */
export function policyFiles(worktree: string | undefined): PolicyFile[] {
  const user = userFile();
  return [
    ...(user === undefined ? [] : [{ path: user }]),
    ...(worktree === undefined
      ? []
      : [{ path: `${worktree}/.mbus.json`, within: worktree }]),
  ];
}

/**
 * The policy for a project: what its file says, else what the user's says,
 * else the default, field by field.
 *
 * @param worktree The root of the working copy, a canonical path.
 * @param warn Is told of each trouble with a file.
 */
export function readPolicy(
  worktree: string | undefined,
  warn: (message: string) => void,
): Policy {
  let policy = DEFAULT_POLICY;
  for (const file of policyFiles(worktree)) {
    const said = readPolicyFile(file);
    if (said === undefined) continue;
    said.troubles.forEach(warn);
    const { onOverlap } = policy;
    const isWeak = said.troubles.length > 0 && onOverlap === "inform";
    policy = {
      ...policy,
      ...(isWeak && { onOverlap: DEFAULT_POLICY.onOverlap }),
      ...said.given,
    };
  }
  return policy;
}

/**
 * Returns a reader of policies that reads each project's once.
 *
 * @param own The root of the session's working copy, for what lies in none.
 * @param warn Is told of each trouble with a file, once.
 */
export function policyReader(
  own: string | undefined,
  warn: (message: string) => void,
): (worktree?: string) => Policy {
  const read = new Map<string | undefined, Policy>();
  const told = new Set<string>();
  const warnOnce = (message: string) => {
    if (told.has(message)) return;
    told.add(message);
    warn(message);
  };
  return (worktree = own) => {
    const policy = read.get(worktree) ?? readPolicy(worktree, warnOnce);
    read.set(worktree, policy);
    return policy;
  };
}

/** Reads a file of configuration; undefined if there is none. */
export function readPolicyFile(
  { path, within }: PolicyFile,
): PolicySaid | undefined {
  const unusable = (why: string): PolicySaid => ({
    given: {},
    troubles: [`Cannot use ${path}: ${why}; it is left out. ${WEAKEST}`],
  });
  let text: string | undefined;
  try {
    text = readSmallFile(path, { within });
  } catch (error) {
    return unusable((error as Error).message);
  }
  if (text === undefined) return undefined;
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    // The parser's own words quote the text.
    return unusable("it is not JSON");
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return unusable("it is not a JSON object");
  }
  const known: Record<string, unknown> = {};
  const troubles: string[] = [];
  for (const [key, value] of Object.entries(given)) {
    const allowed = ALLOWED.get(key);
    if (allowed?.has(value)) known[key] = value;
    else troubles.push(`Cannot use ${path}: ${troubleOf(key, value)}`);
  }
  return { given: known, troubles };
}

const WEAKEST = "Without another file's word onOverlap is at least warn.";

/** What each setting may be, and that in words. */
const ALLOWED: ReadonlyMap<
  string,
  { has(value: unknown): boolean; readonly words: string }
> = new Map([
  ["onOverlap", {
    has: (value: unknown) =>
      value === "warn" || value === "inform" || value === "block",
    words: "warn, inform or block",
  }],
  ["holdAtStop", {
    has: (value: unknown) => typeof value === "boolean",
    words: "true or false",
  }],
  ["contextBytesMax", {
    has: (value: unknown) =>
      typeof value === "number" && value >= 1024 && value <= 65536,
    words: "a number from 1024 to 65536",
  }],
]);

/** A word that is shown as it is: what is no word may be a secret. */
const WORD = /^[A-Za-z][\w-]{0,31}$/;

function troubleOf(key: string, value: unknown): string {
  const name = WORD.test(key) ? key : "a key of it";
  const allowed = ALLOWED.get(key);
  if (allowed === undefined) {
    return `${name} is not a setting; write ${
      [...ALLOWED.keys()].join(", ")
    }. ${WEAKEST}`;
  }
  const said = typeof value === "string" && !WORD.test(value)
    ? "another text"
    : typeof value === "object"
    ? "another kind of value"
    : JSON.stringify(value);
  return `${name} is ${said}; write ${allowed.words}. ${WEAKEST}`;
}

function userFile(): string | undefined {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  const config = Deno.env.get("XDG_CONFIG_HOME") ||
    (home === undefined ? undefined : `${home}/.config`);
  return config === undefined ? undefined : `${config}/mbus/config.json`;
}
