/**
 * Processor time and memory of processes, from Linux's `/proc`.
 *
 * @module
 */

/** Memory of a process, in MiB. */
export interface Memory {
  /** Resident memory, with shared pages counted in full. */
  readonly residentMib: number;
  /** Memory that the end of the process would free. */
  readonly privateMib: number;
  /** Resident memory, each shared page divided by its processes. */
  readonly proportionalMib: number;
}

/** Whether this system has `/proc`. */
export const TELLS_PROCESS_COST: boolean = Deno.build.os === "linux";

// The unit of utime and stime in /proc, fixed for user space on every Linux.
const TICK_MS = 10;

/** The processor time of a process since the construction of the meter. */
export class ProcessorMeter {
  readonly #pid: number;
  readonly #before: ReadonlyMap<string, number>;
  readonly #beganAt = performance.now();

  /** Starts to count. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#before = threadMs(pid);
  }

  /** Returns the used share of one core, in percent. */
  percent(): number {
    let ms = 0;
    for (const [thread, now] of threadMs(this.#pid)) {
      ms += now - (this.#before.get(thread) ?? 0);
    }
    return 100 * ms / (performance.now() - this.#beganAt);
  }
}

/** Returns the processor time of each live thread, in ms. */
function threadMs(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const thread of threadsOf(pid)) {
    const ms = timeOf(`/proc/${pid}/task/${thread}`);
    if (ms !== undefined) times.set(thread, ms);
  }
  return times;
}

/** Returns the threads of a process; none if the process has ended. */
function threadsOf(pid: number): string[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function timeOf(folder: string): number | undefined {
  // schedstat is in ns, finer than utime and stime, but some kernels lack it.
  const ns = Number(readText(`${folder}/schedstat`)?.split(" ")[0] ?? 0);
  if (ns > 0) return ns / 1e6;
  const stat = readText(`${folder}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Returns the memory of a process; zeros if the process has ended. */
export function memoryOf(pid: number): Memory {
  const text = readText(`/proc/${pid}/smaps_rollup`);
  if (text === undefined) {
    return { residentMib: 0, privateMib: 0, proportionalMib: 0 };
  }
  const mib = (field: string): number => {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
    return Number(kib ?? NaN) / 1024;
  };
  return {
    residentMib: mib("Rss"),
    privateMib: mib("Private_Clean") + mib("Private_Dirty"),
    proportionalMib: mib("Pss"),
  };
}
