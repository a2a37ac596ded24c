/**
 * The facts against a call, as data.
 *
 * @module
 */

/**
 * Effect of a fact on a call: `firm` denies as long as it lasts, `soft` denies
 * once, `inform` lets the call pass and tells later.
 */
export type Force = "firm" | "soft" | "inform";

/** One fact against a call. */
export interface Fact {
  /** Identity of the fact; two facts with one key are the same. */
  readonly key: string;
  /** The fact in whole sentences for the model. */
  readonly text: string;
  /** The effect on the call. */
  readonly force: Force;
  /** The session whose work is concerned. */
  readonly session: string;
  /** The name of that session. */
  readonly name: string;
  /** Further sessions whose work is concerned. */
  readonly others?: readonly string[];
  /** The file or other object that the call wants to change. */
  readonly path: string;
  /** Whether that session holds the path now; if so, it is told of the denial. */
  readonly held?: boolean;
  /** Whether the call changes the whole worktree at `path`. */
  readonly isWholeTree?: boolean;
  /** The project in which the denial is announced. */
  readonly project?: string;
}

/** The text of a denial besides its facts. */
export interface Advice {
  /** The next step for the model, where a retry passes. */
  readonly retry: string;
  /** One short sentence for the person. */
  readonly notice: string;
}
