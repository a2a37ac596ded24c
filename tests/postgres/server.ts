/**
 * A real PostgreSQL server for tests, on a free loopback port and in a
 * temporary folder, as an unprivileged user, always removed.
 *
 * Without an installed PostgreSQL the tests are ignored, with a line that tells
 * how to install it; with `MBUS_TEST_REQUIRE=postgres` they fail instead.
 *
 * One server serves all tests of a file: each gets a database of its own.
 *
 * @module
 */

import { until } from "../waiting.ts";

/** Whether PostgreSQL is installed, in the form of a test's options. */
export interface Availability {
  /** Whether its tests are ignored. */
  readonly ignore: boolean;
  /** The reason and the remedy. */
  readonly reason: string;
}

const REMEDY = "PostgreSQL is not installed: apt-get install postgresql";
/** The role of the tests, a superuser. */
export const ROLE = "bus";
/** The password of the role. */
export const PASSWORD = "secret & more";

const programs = findPrograms();

/** The availability of PostgreSQL. */
export const availability: Availability = {
  ignore: isMissing(),
  reason: REMEDY,
};

function isMissing(): boolean {
  if (programs !== undefined) return false;
  assertNotRequired("postgres", REMEDY);
  console.error(`Ignored: the tests of the PostgreSQL store. ${REMEDY}.`);
  return true;
}

/** Throws the remedy if `MBUS_TEST_REQUIRE` names the missing program. */
export function assertNotRequired(program: string, remedy: string): void {
  const required = (Deno.env.get("MBUS_TEST_REQUIRE") ?? "").split(",");
  if (required.includes(program)) throw new Error(remedy);
}

/** Returns the folder of initdb and postgres: on the PATH, else Debian's newest. */
function findPrograms(): string | undefined {
  const debian: string[] = [];
  try {
    for (const { name } of Deno.readDirSync("/usr/lib/postgresql")) {
      debian.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const folders = [
    Deno.env.get("MBUS_TEST_POSTGRES"),
    ...debian.sort((a, b) => Number(b) - Number(a))
      .map((version) => `/usr/lib/postgresql/${version}/bin`),
    ...(Deno.env.get("PATH") ?? "").split(":"),
  ];
  return folders.find((folder) => {
    try {
      return folder !== undefined && Deno.statSync(`${folder}/initdb`).isFile;
    } catch {
      return false;
    }
  });
}

/** Options of a server. */
export interface ServerOptions {
  /** The server's settings, such as `max_connections`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Whether the server supports TLS, with its own certificate for `localhost`. */
  readonly tls?: boolean;
  /**
   * The size of a disk at {@linkcode Server.disk}, in KiB. Needs the right to
   * mount, and is empty after each boot.
   */
  readonly diskKib?: number;
}

/** A running server. */
export class Server implements AsyncDisposable {
  /** The port on 127.0.0.1. */
  readonly port: number;
  /** The server's folder; with TLS, `server.pem` in it is the authority. */
  readonly folder: string;
  readonly #settings: readonly string[];
  readonly #diskKib: number | undefined;
  #databases = 0;

  private constructor(
    port: number,
    folder: string,
    settings: string[],
    diskKib?: number,
  ) {
    this.port = port;
    this.folder = folder;
    this.#settings = settings;
    this.#diskKib = diskKib;
  }

  /** The folder of the small disk, which the server alone sees. */
  get disk(): string {
    return `${this.folder}/disk`;
  }

  /** Creates and starts a server. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const folder = await Deno.makeTempDir({ prefix: "mbus-postgres-" });
    const password = `${folder}/password`;
    await Deno.writeTextFile(password, PASSWORD);
    if (options.tls) await makeCertificate(folder);
    await giveAway(folder);
    const port = freePort();
    const settings = Object.entries({
      port,
      listen_addresses: "127.0.0.1",
      unix_socket_directories: folder,
      max_connections: 200,
      fsync: "off",
      autovacuum_naptime: "1h",
      ...(options.tls && {
        ssl: "on",
        ssl_cert_file: `${folder}/server.pem`,
        ssl_key_file: `${folder}/server.key`,
      }),
      ...options.settings,
    }).map(([name, value]) => `${name}=${value}`);
    const { diskKib } = options;
    const server = new Server(port, folder, settings, diskKib);
    if (diskKib !== undefined) await Deno.mkdir(server.disk);
    await asUnprivileged(`${programs}/initdb`, [
      `--pgdata=${folder}/data`,
      `--username=${ROLE}`,
      "--auth=scram-sha-256",
      `--pwfile=${password}`,
      "--encoding=UTF8",
      "--locale=C.UTF-8",
      "--no-sync",
    ]);
    await server.boot();
    return server;
  }

  /** Starts the server again, after {@linkcode stop} or a kill. */
  async boot(): Promise<void> {
    const start = this.#diskKib === undefined
      ? asUnprivileged
      : withDisk(this.disk, this.#diskKib);
    await start(`${programs}/pg_ctl`, [
      `--pgdata=${this.folder}/data`,
      `--log=${this.folder}/log`,
      "--wait",
      "--timeout=60",
      `--options=${this.#settings.map((s) => `-c ${s}`).join(" ")}`,
      "start",
    ]);
  }

  /** Ends the server: `fast` closes its connections, `immediate` drops them. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    await asUnprivileged(`${programs}/pg_ctl`, [
      `--pgdata=${this.folder}/data`,
      "--wait",
      `--mode=${mode}`,
      "stop",
    ]);
  }

  /** Kills all processes of the server with SIGKILL. */
  async kill(): Promise<void> {
    const { pid } = this;
    const { stdout } = await new Deno.Command("pgrep", {
      args: ["--parent", String(pid)],
    }).output();
    const children = new TextDecoder().decode(stdout).split("\n").filter(
      Boolean,
    );
    // The postmaster first, because it would restart the others.
    for (const each of [pid, ...children.map(Number)]) {
      try {
        Deno.kill(each, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await until("its process has ended", () => !isRunning(pid));
  }

  /** Ends the server and removes its folder, without waiting. */
  stopSync(): void {
    try {
      Deno.kill(this.pid, "SIGQUIT");
    } catch {
      // The server and its folder are gone.
    }
  }

  /** Returns the pid of the server. */
  get pid(): number {
    const text = Deno.readTextFileSync(`${this.folder}/data/postmaster.pid`);
    return Number(text.split("\n")[0]);
  }

  /** Creates a database and returns its URL. */
  async newDatabase(): Promise<string> {
    const name = `bus_${++this.#databases}`;
    await this.psql("postgres", `CREATE DATABASE ${name}`);
    return this.url({ database: name });
  }

  /** Returns a URL of the server. */
  url(
    options: {
      readonly database?: string;
      readonly user?: string;
      readonly password?: string;
      readonly host?: string;
      readonly query?: string;
      readonly port?: number;
    } = {},
  ): string {
    const { database = "postgres", user = ROLE, password = PASSWORD } = options;
    return `postgres://${user}:${encodeURIComponent(password)}@${
      options.host ?? "127.0.0.1"
    }:${options.port ?? this.port}/${database}${
      options.query === undefined ? "" : `?${options.query}`
    }`;
  }

  /** Runs statements by psql, as another program, and returns its output. */
  async psql(
    database: string,
    sql: string,
    options: { readonly user?: string; readonly password?: string } = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(
      `${programs}/psql`,
      {
        args: [
          "--no-psqlrc",
          "--quiet",
          "--tuples-only",
          "--no-align",
          "--set=ON_ERROR_STOP=1",
          `--host=127.0.0.1`,
          `--port=${this.port}`,
          `--username=${options.user ?? ROLE}`,
          `--command=${sql}`,
          database,
        ],
        env: { PGPASSWORD: options.password ?? PASSWORD },
      },
    ).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr).trim());
    return new TextDecoder().decode(stdout).trim();
  }

  /** Ends the server and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop("immediate");
    } catch {
      // The test has stopped or killed the server.
    }
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Runs `work` on a separate server. */
export async function withServer(
  work: (server: Server) => Promise<void>,
  options: ServerOptions = {},
): Promise<void> {
  await using server = await Server.start(options);
  await work(server);
}

/**
 * Returns a server for the tests of one file, which ends with them. It starts
 * outside of the tests, because it outlives each of them.
 */
export async function serverOfFile(
  options: ServerOptions = {},
): Promise<Server> {
  // Ignored tests do not use the server.
  if (availability.ignore) return undefined as unknown as Server;
  const server = await Server.start(options);
  guard(server);
  globalThis.addEventListener("unload", () => server.stopSync());
  return server;
}

/** Ends a server, or a pooler, once this process has ended for any reason. */
export function guard(
  { pid, folder }: { readonly pid: number; readonly folder: string },
): void {
  // A signal may go to the whole process group.
  const watch =
    `trap '' INT TERM HUP; while kill -0 ${Deno.pid} && kill -0 ${pid}; do sleep 0.5; done; ` +
    `kill -QUIT ${pid}; while kill -0 ${pid}; do sleep 0.1; done; rm -rf ${folder}`;
  new Deno.Command("sh", {
    args: ["-c", watch],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().unref();
}

function isRunning(pid: number): boolean {
  try {
    Deno.kill(pid, 0 as unknown as Deno.Signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Returns a free port on 127.0.0.1. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Whether the tests run as root. */
export const isRoot = Deno.uid() === 0;

/** Makes the user of Debian's package the owner, as root may not run a server. */
export async function giveAway(folder: string): Promise<void> {
  if (isRoot) await run("chown", ["-R", "postgres", folder]);
}

async function asUnprivileged(program: string, args: string[]): Promise<void> {
  if (isRoot) {
    await run("runuser", ["-u", "postgres", "--", program, ...args]);
  } else await run(program, args);
}

/** Returns a function that runs a program with a file system at a folder. */
function withDisk(folder: string, kib: number): typeof asUnprivileged {
  const mount = `mount -t tmpfs -o size=${kib}k none ${folder} && ` +
    `chown postgres ${folder} && exec runuser -u postgres -- "$0" "$@"`;
  return (program, args) =>
    run("unshare", ["-m", "sh", "-c", mount, program, ...args]);
}

async function makeCertificate(folder: string): Promise<void> {
  const request = "req -x509 -nodes -days 2 -newkey ec " +
    "-pkeyopt ec_paramgen_curve:prime256v1 " +
    "-subj /CN=localhost -addext subjectAltName=DNS:localhost";
  await run("openssl", [
    ...request.split(" "),
    ...["-keyout", `${folder}/server.key`],
    ...["-out", `${folder}/server.pem`],
  ]);
  await Deno.chmod(`${folder}/server.key`, 0o600);
}

async function run(program: string, args: string[]): Promise<void> {
  // The server would keep a pipe open; its output is in its log.
  const output = await Deno.makeTempFile();
  try {
    const child = new Deno.Command("sh", {
      args: ["-c", `exec "$0" "$@" >${output} 2>&1`, program, ...args],
      cwd: "/",
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const { code } = await child.status;
    if (code !== 0) {
      throw new Error(
        `${program} ${args.join(" ")}: ${await Deno.readTextFile(output)}`,
      );
    }
  } finally {
    await Deno.remove(output);
  }
}
