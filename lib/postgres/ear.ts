/**
 * What hears bells for a process: its own listening connection, or a hub on the
 * same host.
 *
 * @module
 */

/** What an ear tells. */
export interface Hearing {
  /** A bell was rung; without a name it may have been any. */
  heard(bell?: string): void;
  /** It hears nothing for a while, and tries to hear again. */
  interrupted(): void;
  /** It hears again: what was rung in between is lost. */
  resumed(): void;
  /** It will not hear any more. */
  lost(): void;
}

/** What hears bells for a process. */
export interface Ear {
  /** Whether it is a hub's. */
  readonly isShared: boolean;
  /**
   * Hears exactly these bells. When it resolves, what is rung from then on is
   * heard.
   */
  listen(bells: readonly string[]): Promise<void>;
  /**
   * Whether it still hears. If there is a connection to be asked, it is asked
   * this, and its first row returned.
   */
  check(sql: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Ends it, and tells nothing any more. */
  close(): Promise<void>;
}
