/**
 * Poolers between a bus and its server, such as PgBouncer.
 *
 * In session mode a client keeps one connection to the server. In transaction
 * and statement mode clients share connections, so LISTEN reaches no client, and
 * settings of one client would apply to others.
 *
 * @module
 */

import { StoreError } from "../model/errors.ts";
import { Link, type PooledConnection } from "./link.ts";
import type { ServerAddress } from "./url.ts";

/**
 * Checks that a notification passes the pooler to a second connection.
 *
 * @param pooled A connection through the pooler, without settings.
 * @throws {StoreError} If none does.
 */
export async function assertNotifies(
  address: ServerAddress,
  { pid, execute }: PooledConnection,
  timeoutMs: number,
): Promise<void> {
  // The connection itself fails at its deadline.
  const waitMs = timeoutMs / 2;
  const channel = `mbus_${crypto.randomUUID().replaceAll("-", "")}`;
  const notified = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => notified.resolve(false), waitMs);
  const listener = new Link(address, {
    name: "message-bus",
    settings: {},
    connectTimeoutMs: timeoutMs,
    kept: true,
    onNotify: (name) => name === channel && notified.resolve(true),
  });
  try {
    const { rows: [other] } = await listener.execute(
      "SELECT pg_backend_pid() AS pid",
      timeoutMs,
    );
    // Two open connections with one process of the server share it.
    if (Number(other.pid) === pid) throw poolerError(address);
    await listener.execute(`LISTEN ${channel}`, timeoutMs);
    await execute(`NOTIFY ${channel}`);
    if (!await notified.promise) throw poolerError(address);
  } finally {
    clearTimeout(timer);
    await listener.close(waitMs);
  }
}

function poolerError(address: ServerAddress): StoreError {
  const { shown } = address;
  return new StoreError(
    "server",
    shown,
    `Cannot open the bus: the pooler at ${shown} passes no notifications ` +
      `(LISTEN), as in transaction or statement mode. Set its pool_mode to ` +
      `session, or pass the address of the server itself in MBUS_URL.`,
  );
}
