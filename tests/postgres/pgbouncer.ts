/**
 * A real PgBouncer before a test's server, on a free loopback port and in a
 * temporary folder, as an unprivileged user, always ended.
 *
 * Without an installed PgBouncer the tests are ignored, with a line that tells
 * how to install it; with `MBUS_TEST_REQUIRE=pgbouncer` they fail instead.
 *
 * @module
 */

import { until } from "../waiting.ts";
import {
  assertNotRequired,
  type Availability,
  availability as ofServer,
  freePort,
  giveAway,
  guard,
  isRoot,
  PASSWORD,
  ROLE,
  type Server,
} from "./server.ts";

const REMEDY = "PgBouncer is not installed: apt-get install pgbouncer";

const program = ["/usr/sbin", ...(Deno.env.get("PATH") ?? "").split(":")]
  .map((folder) => `${folder}/pgbouncer`).find(isFile);

/** The availability of PgBouncer and of PostgreSQL. */
export const availability: Availability = ofServer.ignore
  ? ofServer
  : { ignore: isMissing(), reason: REMEDY };

function isMissing(): boolean {
  if (program !== undefined) return false;
  assertNotRequired("pgbouncer", REMEDY);
  console.error(`Ignored: the tests of PgBouncer. ${REMEDY}.`);
  return true;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The unit for which a client keeps a connection to the server. */
export type PoolMode = "session" | "transaction" | "statement";

/** A running pooler. */
export class PgBouncer implements AsyncDisposable {
  /** The port on 127.0.0.1. */
  readonly port: number;
  readonly #server: Server;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;

  private constructor(
    server: Server,
    port: number,
    folder: string,
    child: Deno.ChildProcess,
  ) {
    this.port = port;
    this.#server = server;
    this.#folder = folder;
    this.#child = child;
  }

  /** Starts a pooler. */
  static async start(server: Server, mode: PoolMode): Promise<PgBouncer> {
    const folder = await Deno.makeTempDir({ prefix: "mbus-pgbouncer-" });
    const port = freePort();
    const configuration = `${folder}/pgbouncer.ini`;
    await Deno.writeTextFile(`${folder}/users`, `"${ROLE}" "${PASSWORD}"\n`);
    await Deno.writeTextFile(
      configuration,
      `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users
pool_mode = ${mode}
max_client_conn = 1000
default_pool_size = 100
server_idle_timeout = 1
logfile = ${folder}/log
`,
    );
    await giveAway(folder);
    const command = [program!, configuration];
    // As root, PgBouncer refuses to run.
    const [first, ...args] = isRoot
      ? ["setpriv", "--reuid=postgres", "--clear-groups", "--", ...command]
      : command;
    const child = new Deno.Command(first, {
      args,
      cwd: "/",
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const pooler = new PgBouncer(server, port, folder, child);
    await until("PgBouncer accepts connections", () => accepts(port));
    return pooler;
  }

  /** Starts a pooler for the tests of one file, which ends with them. */
  static async ofFile(server: Server, mode: PoolMode): Promise<PgBouncer> {
    // Ignored tests do not use the pooler.
    if (availability.ignore) return undefined as unknown as PgBouncer;
    const pooler = await PgBouncer.start(server, mode);
    pooler.#child.unref();
    guard({ pid: pooler.#child.pid, folder: pooler.#folder });
    globalThis.addEventListener("unload", () => pooler.#endSync());
    return pooler;
  }

  /** Creates a database on the server and returns its URL at the pooler. */
  async newDatabase(): Promise<string> {
    return this.through(await this.#server.newDatabase());
  }

  /** Returns the URL at the pooler for one at the server. */
  through(text: string): string {
    const url = new URL(text);
    url.port = String(this.port);
    return url.href;
  }

  #endSync(): void {
    try {
      this.#child.kill("SIGQUIT");
    } catch {
      // The pooler has ended.
    }
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#endSync();
    await this.#child.status;
  }
}

async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
