/**
 * Servers of contestants, on loopback, with their data in the bench's folder.
 *
 * A shell starts the server and waits for the end of its stdin. That ends with
 * the bench, even if the bench is killed, and then the shell kills the server.
 *
 * @module
 */

import { pause } from "./clock.ts";

/** The name of a server. */
export type ServerName = "redis" | "nats" | "nats-always" | "postgres";

/** A running server. */
export interface Server extends AsyncDisposable {
  /** The URL for clients. */
  readonly url: string;
  /** Returns the ids of its processes. */
  pids(): number[];
  /** Kills the server, and restarts it with the same data. */
  crash(): Promise<void>;
}

/** An error for a server that cannot start here, with a remedy. */
export class ServerMissingError extends Error {
  override readonly name = "ServerMissingError";
}

interface Recipe {
  /**
   * Returns the command line.
   *
   * @throws {ServerMissingError} If the program is not installed.
   */
  command(folder: string, port: number): Promise<string[]>;
  url(port: number): string;
  /** Returns whether the server responds. */
  ready(port: number): Promise<boolean>;
  /** The remedy if it does not start. */
  readonly remedy?: string;
}

const START_MS_MAX = 15_000;

// Runs "$@" until the end of stdin. The bench handles interrupts.
const KEEPER = `trap '' INT TERM HUP
"$@" </dev/null >>"$LOG" 2>&1 &
echo $!
cat >/dev/null
kill -9 $!
wait $! 2>/dev/null`;

const RECIPES: Readonly<Record<ServerName, Recipe>> = {
  redis: {
    async command(folder, port) {
      const program = await findProgram("redis-server", "redis-server");
      // Redis's usual durable setting, which flushes the log every second.
      return [
        program,
        ...["--bind", "127.0.0.1", "--port", `${port}`, "--dir", folder],
        ...["--appendonly", "yes", "--appendfsync", "everysec"],
      ];
    },
    url: (port) => `redis://127.0.0.1:${port}`,
    ready: (port) => answers(port, "PING\r\n", "+PONG"),
  },
  nats: natsRecipe(""),
  "nats-always": natsRecipe("always"),
  postgres: {
    command: postgresCommand,
    url: (port) => `postgres://bus:bench@127.0.0.1:${port}/postgres`,
    ready: async (port) => {
      const { success } = await new Deno.Command(
        `${await postgresPrograms()}/pg_isready`,
        { args: ["-h", "127.0.0.1", "-p", `${port}`], stdout: "null" },
      ).output();
      return success;
    },
  },
};

/**
 * Starts a server with its data in a folder.
 *
 * @throws {ServerMissingError} If its program is missing, too old or fails.
 */
export async function startServer(
  name: ServerName,
  folder: string,
): Promise<Server> {
  await Deno.mkdir(folder, { recursive: true });
  const recipe = RECIPES[name];
  const port = freePort();
  const command = await recipe.command(folder, port);
  const start = async (): Promise<ServerProcess> => {
    const process = await spawn(command, `${folder}/log`);
    const deadline = performance.now() + START_MS_MAX;
    while (!await recipe.ready(port)) {
      if (performance.now() < deadline && alive(process.pid)) {
        await pause(20);
        continue;
      }
      await process.end();
      const log = await Deno.readTextFile(`${folder}/log`);
      throw new ServerMissingError(
        `Cannot start ${name}: ${log.trim().split("\n").at(-1)}.` +
          (recipe.remedy === undefined ? "" : ` ${recipe.remedy}.`),
      );
    }
    return process;
  };
  let process = await start();
  return {
    url: recipe.url(port),
    pids: () => familyOf(process.pid),
    async crash(): Promise<void> {
      const family = familyOf(process.pid);
      await process.end();
      // Backends of PostgreSQL end soon after the server.
      while (family.some(alive)) await pause(5);
      process = await start();
    },
    [Symbol.asyncDispose]: () => process.end(),
  };
}

const running = new Set<number>();

/** Kills every server that still runs. */
export function endServers(): void {
  for (const pid of running) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // The server has ended.
    }
  }
}

interface ServerProcess {
  readonly pid: number;
  end(): Promise<void>;
}

async function spawn(
  command: readonly string[],
  log: string,
): Promise<ServerProcess> {
  const keeper = new Deno.Command("sh", {
    args: ["-c", KEEPER, "keeper", ...command],
    env: { LOG: log },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = keeper.stdout.getReader();
  const { value } = await reader.read();
  const pid = Number(new TextDecoder().decode(value).trim());
  running.add(pid);
  return {
    pid,
    async end(): Promise<void> {
      running.delete(pid);
      await keeper.stdin.close().catch(() => {});
      await reader.cancel();
      await keeper.status;
    },
  };
}

function natsRecipe(syncInterval: string): Recipe {
  return {
    async command(folder, port) {
      const program = Deno.env.get("MBUS_BENCH_NATS_SERVER") ??
        await findProgram("nats-server", "nats-server");
      const config = `${folder}/nats.conf`;
      await Deno.writeTextFile(
        config,
        `listen: "127.0.0.1:${port}"\njetstream {\n  store_dir: "${folder}"\n` +
          (syncInterval && `  sync_interval: ${syncInterval}\n`) + "}\n",
      );
      return [program, "-c", config];
    },
    url: (port) => `nats://127.0.0.1:${port}`,
    ready: (port) => answers(port, "", "INFO"),
    ...(syncInterval && {
      remedy: "Set MBUS_BENCH_NATS_SERVER to nats-server 2.10 or newer, " +
        "which has sync_interval",
    }),
  };
}

async function postgresCommand(
  folder: string,
  port: number,
): Promise<string[]> {
  const programs = await postgresPrograms();
  const data = `${folder}/data`;
  // PostgreSQL does not run as root, and must own and reach its data.
  const asItself = Deno.uid() === 0
    ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    : [];
  await Deno.mkdir(data);
  await Deno.writeTextFile(`${folder}/password`, "bench\n");
  if (asItself.length > 0) {
    await run("chown", ["-R", "postgres:postgres", folder]);
    for (let each = folder; each !== "/tmp" && each !== "/";) {
      await Deno.chmod(each, 0o711);
      each = each.slice(0, each.lastIndexOf("/")) || "/";
    }
  }
  const [program, ...args] = [
    ...asItself,
    `${programs}/initdb`,
    ...["-D", data, "-U", "bus", "--auth=scram-sha-256"],
    ...[`--pwfile=${folder}/password`, "-E", "UTF8", "--locale=C.UTF-8"],
    "--no-sync",
  ];
  await run(program, args);
  return [
    ...asItself,
    `${programs}/postgres`,
    ...["-D", data, "-p", `${port}`, "-k", folder],
    ...["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=500"],
  ];
}

/**
 * Returns the folder of PostgreSQL's programs; on Debian, of its newest
 * version.
 */
async function postgresPrograms(): Promise<string> {
  const versions: string[] = [];
  try {
    for await (const { name } of Deno.readDir("/usr/lib/postgresql")) {
      versions.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const newest = versions.toSorted((a, b) => Number(b) - Number(a)).at(0);
  if (newest !== undefined) return `/usr/lib/postgresql/${newest}/bin`;
  const program = await findProgram("postgres", "postgresql");
  return program.slice(0, program.lastIndexOf("/"));
}

async function findProgram(program: string, pkg: string): Promise<string> {
  const { success, stdout } = await new Deno.Command("sh", {
    args: ["-c", 'command -v "$1"', "sh", program],
    stderr: "null",
  }).output();
  if (success) return new TextDecoder().decode(stdout).trim();
  throw new ServerMissingError(
    `Cannot run ${program}: it is not installed. Run apt-get install ${pkg}.`,
  );
}

async function run(program: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) {
    throw new Error(
      `Cannot run ${program}: ${new TextDecoder().decode(stderr).trim()}`,
    );
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function answers(
  port: number,
  question: string,
  answer: string,
): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(new TextEncoder().encode(question));
    const buffer = new Uint8Array(64);
    const length = await connection.read(buffer);
    const text = new TextDecoder().decode(buffer.subarray(0, length ?? 0));
    return text.startsWith(answer);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

function alive(pid: number): boolean {
  try {
    // A zombie counts as ended.
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

/** Returns a process and its descendants. */
function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const parent = Number(
        stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1],
      );
      children.set(parent, [...children.get(parent) ?? [], Number(name)]);
    } catch {
      // The process has ended since the listing.
    }
  }
  const family = [pid];
  for (const each of family) family.push(...children.get(each) ?? []);
  return family;
}
