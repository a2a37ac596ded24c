/**
 * How much the hooks may interfere: a person's choice, for a project in
 * `.mbus.json` at its root, else for all in `mbus/config.json` in the folder
 * for configuration.
 *
 * ```json
 * { "onOverlap": "warn", "holdAtStop": false, "contextBytesMax": 4096 }
 * ```
 *
 * @module
 */

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

/** What holds where nobody chose. */
export const DEFAULT_POLICY: Policy = Object.freeze({
  onOverlap: "warn",
  holdAtStop: false,
  contextBytesMax: 4096,
});

/**
 * The policy for a project: what its file says, else what the user's says,
 * else the default, field by field.
 *
 * @param worktree The root of the working copy.
 * @param warn Is told of a file that cannot be used.
 */
export function readPolicy(
  worktree: string | undefined,
  warn: (message: string) => void,
): Policy {
  const files = [userFile()];
  if (worktree !== undefined) files.push(`${worktree}/.mbus.json`);
  return files.reduce<Policy>(
    (policy, file) =>
      file === undefined ? policy : withFile(policy, file, warn),
    DEFAULT_POLICY,
  );
}

/**
 * Returns a reader of policies that reads each project's once.
 *
 * @param own The root of the session's working copy, for what lies in none.
 * @param warn Is told of a file that cannot be used.
 */
export function policyReader(
  own: string | undefined,
  warn: (message: string) => void,
): (worktree?: string) => Policy {
  const read = new Map<string | undefined, Policy>();
  return (worktree = own) => {
    const policy = read.get(worktree) ?? readPolicy(worktree, warn);
    read.set(worktree, policy);
    return policy;
  };
}

function userFile(): string | undefined {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  const config = Deno.env.get("XDG_CONFIG_HOME") ||
    (home === undefined ? undefined : `${home}/.config`);
  return config === undefined ? undefined : `${config}/mbus/config.json`;
}

function withFile(
  policy: Policy,
  file: string,
  warn: (message: string) => void,
): Policy {
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(Deno.readTextFileSync(file));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      warn(`Cannot use ${file}: ${(error as Error).message}; it is left out.`);
    }
    return policy;
  }
  if (typeof given !== "object" || given === null) {
    warn(`Cannot use ${file}: it is no JSON object; it is left out.`);
    return policy;
  }
  const { onOverlap, holdAtStop, contextBytesMax } = given;
  return {
    onOverlap: isOverlapPolicy(onOverlap) ? onOverlap : policy.onOverlap,
    holdAtStop: typeof holdAtStop === "boolean"
      ? holdAtStop
      : policy.holdAtStop,
    contextBytesMax: typeof contextBytesMax === "number" &&
        contextBytesMax >= 1024 && contextBytesMax <= 65536
      ? contextBytesMax
      : policy.contextBytesMax,
  };
}

function isOverlapPolicy(value: unknown): value is OverlapPolicy {
  return value === "warn" || value === "inform" || value === "block";
}
