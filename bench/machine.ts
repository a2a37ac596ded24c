/**
 * The machine of a benchmark, without which its figures are meaningless.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

/** A machine, and its installed programs. */
export interface Machine {
  readonly system: string;
  readonly kernel: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  /** The load average of the minute before the run. */
  readonly load: number;
  /** Versions of the installed programs, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  "Redis": ["redis-server", "--version"],
  "NATS": [
    Deno.env.get("MBUS_BENCH_NATS_SERVER") ?? "nats-server",
    "--version",
  ],
  "PostgreSQL": ["psql", "--version"],
  "Python": ["python3", "--version"],
  "sqlite3 shell": ["sqlite3", "--version"],
};

/** Returns this machine. */
export async function machineOf(): Promise<Machine> {
  const versions: Record<string, string> = {
    Deno: Deno.version.deno,
    V8: Deno.version.v8,
    "SQLite in Deno": sqliteVersion(),
  };
  for (const [name, [program, ...args]] of Object.entries(PROGRAMS)) {
    const version = await versionOf(program, args);
    if (version !== undefined) versions[name] = version;
  }
  return {
    system: `${Deno.build.os} ${Deno.build.arch}`,
    kernel: Deno.osRelease(),
    processor: processorName(),
    cores: navigator.hardwareConcurrency,
    memoryGib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    load: Deno.loadavg()[0],
    versions,
  };
}

async function versionOf(
  program: string,
  args: string[],
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await new Deno.Command(program, { args })
      .output();
    const text = new TextDecoder().decode(stdout) +
      new TextDecoder().decode(stderr);
    return /\d+(\.\d+)+/.exec(text)?.[0];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function sqliteVersion(): string {
  const db = new DatabaseSync(":memory:");
  try {
    return String(db.prepare("SELECT sqlite_version() AS v").get()!.v);
  } finally {
    db.close();
  }
}

function processorName(): string {
  try {
    const text = Deno.readTextFileSync("/proc/cpuinfo");
    return /^model name\s*:\s*(.+)$/m.exec(text)?.[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}
