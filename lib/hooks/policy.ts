/**
 * The policy of hooks, set by a person: for a project in `.mbus.json` at its
 * root, otherwise for all projects in `mbus/config.json` in the configuration
 * folder.
 *
 * ```json
 * {
 *   "onOverlap": "warn",
 *   "holdAtStop": false,
 *   "contextBytesMax": 4096,
 *   "greeting": true
 * }
 * ```
 *
 * A mistake in a file never weakens a policy. If a project's file has a mistake
 * and no valid `onOverlap`, then `inform` of the user's file becomes `warn`. The
 * hook log and `mbus doctor` name every mistake.
 *
 * @module
 */

import { readSmallFile } from "../path/small_file.ts";
import { isAbsolute } from "../sqlite/location.ts";

/** Effect of another session's edit of the same file. */
export type OverlapPolicy = "warn" | "inform" | "block";

/** The policy of a project. */
export interface Policy {
  /**
   * `warn` denies once with the facts and lets the retry pass. `inform` lets the
   * edit pass and tells the model later. `block` denies as long as the hold lasts.
   * @default {"warn"}
   */
  readonly onOverlap: OverlapPolicy;
  /**
   * Whether pending direct messages hold a stopping agent for one more turn.
   * @default {false}
   */
  readonly holdAtStop: boolean;
  /**
   * Maximum size of pending context in one response, in bytes.
   * @default {4096}
   */
  readonly contextBytesMax: number;
  /**
   * Whether a model reads its name and its peers when its session starts.
   * @default {true}
   */
  readonly greeting: boolean;
}

/** The policy without a file. */
export const DEFAULT_POLICY: Policy = Object.freeze({
  onOverlap: "warn",
  holdAtStop: false,
  contextBytesMax: 4096,
  greeting: true,
});

/** A configuration file, and the folder that must contain it. */
export interface PolicyFile {
  /** The path. */
  readonly path: string;
  /** The folder that a link must not lead out of. */
  readonly within?: string;
}

/** Content of a configuration file. */
export interface PolicySaid {
  /** The valid settings. */
  readonly given: Partial<Policy>;
  /** The mistakes, one sentence each. */
  readonly troubles: readonly string[];
}

/**
 * Lists the configuration files; a later one takes precedence.
 *
 * @param worktree Root of the worktree, a canonical path.
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
 * Reads the policy of a project: for each field, the project's file, then the
 * user's file, then the default.
 *
 * @param worktree Root of the worktree, a canonical path.
 * @param warn Called with each mistake in a file.
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
 * Returns a reader of policies that reads each project's policy once.
 *
 * @param own Root of the session's worktree, for paths outside a worktree.
 * @param warn Called with each mistake in a file, once.
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

/** Reads a configuration file; returns undefined if there is none. */
export function readPolicyFile(
  { path, within }: PolicyFile,
): PolicySaid | undefined {
  const unusable = (why: string): PolicySaid => ({
    given: {},
    troubles: [
      `Cannot use ${path}: ${why}, and is ignored. Correct it. ${WEAKEST}`,
    ],
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
    // The parser's message quotes the text.
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

const WEAKEST = "Until then, onOverlap is at least warn, unless this file or " +
  "the project's sets it.";

/** The valid values of each setting, and their words. */
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
  ["greeting", {
    has: (value: unknown) => typeof value === "boolean",
    words: "true or false",
  }],
]);

/** A word that may be shown; any other value may be a secret. */
const WORD = /^[A-Za-z][\w-]{0,31}$/;

function troubleOf(key: string, value: unknown): string {
  const name = WORD.test(key) ? key : "a key in it";
  const allowed = ALLOWED.get(key);
  if (allowed === undefined) {
    return `${name} is not a setting. Write ${
      [...ALLOWED.keys()].join(", ")
    }. ${WEAKEST}`;
  }
  const said = typeof value === "string" && !WORD.test(value)
    ? "another text"
    : typeof value === "object"
    ? "another kind of value"
    : JSON.stringify(value);
  return `${name} is ${said}. Write ${allowed.words}. ${WEAKEST}`;
}

function userFile(): string | undefined {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  const named = Deno.env.get("XDG_CONFIG_HOME");
  // A relative path would lead into the project. Its specification ignores one, too.
  const config = named && isAbsolute(named)
    ? named
    : home === undefined
    ? undefined
    : `${home}/.config`;
  return config === undefined ? undefined : `${config}/mbus/config.json`;
}
