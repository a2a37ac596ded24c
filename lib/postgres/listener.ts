/**
 * Listeners: sources of notifications for a process, its own connection or a
 * relay on the same host.
 *
 * @module
 */

/** The callbacks of a listener. */
export interface ListenerEvents {
  /** Called when a bell was rung; without a name it may be any bell. */
  onNotify(bell?: string): void;
  /** Called when notifications stop until the listener reconnects. */
  onDisconnect(): void;
  /** Called when notifications resume; those in between are lost. */
  onReconnect(): void;
  /** Called when the listener ends for good. */
  onClosed(): void;
}

/** A source of notifications. */
export interface Listener {
  /** Whether a relay provides the notifications. */
  readonly isRelayed: boolean;
  /**
   * Listens to exactly these bells. Once it resolves, every later notification
   * of them is delivered.
   */
  listen(bells: readonly string[]): Promise<void>;
  /**
   * Runs `sql` on the listener's connection and returns its first row, which
   * shows that the connection works. Returns undefined without a connection.
   */
  check(sql: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Ends the listener; no event follows. */
  close(): Promise<void>;
}
