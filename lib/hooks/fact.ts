/**
 * What stands against a call, as data.
 *
 * @module
 */

/**
 * What a fact does to a call: `firm` denies as long as it lasts, `soft` denies
 * once, `inform` lets pass and is told after.
 */
export type Force = "firm" | "soft" | "inform";

/** One fact that stands against a call. */
export interface Fact {
  /** The identity of the fact, the same as long as the fact is. */
  readonly key: string;
  /** The fact in whole sentences for the model. */
  readonly text: string;
  /** The effect on the call. */
  readonly force: Force;
  /** The session whose work is concerned. */
  readonly session: string;
  /** Further sessions whose work is concerned. */
  readonly others?: readonly string[];
  /** The file, or what else the call wants to change. */
  readonly path: string;
  /** Whether that session holds the path now: then it is told of the denial. */
  readonly held?: boolean;
  /** Whether the call changes the whole worktree that `path` is. */
  readonly isWholeTree?: boolean;
  /** The project in which the denial is announced. */
  readonly project?: string;
}

/** What a denial says beside its facts. */
export interface Advice {
  /** What the model is to do where a retry passes. */
  readonly retry: string;
  /** One short sentence for the person. */
  readonly notice: string;
}
