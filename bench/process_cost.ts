/**
 * What a process costs: processor time and memory, as Linux tells.
 *
 * @module
 */

/** Memory of a process, in MiB. */
export interface Memory {
  /** Resident, shared pages of the program counted in full. */
  readonly residentMib: number;
  /** Its own: what would be free if it ended. */
  readonly privateMib: number;
  /** Resident, each shared page divided among those who share it. */
  readonly proportionalMib: number;
}

/** Whether this system tells what a process costs. */
export const TELLS_PROCESS_COST: boolean = Deno.build.os === "linux";

// The unit of utime and stime in /proc, fixed for user space on every Linux.
const TICK_MS = 10;

/** Processor time of a process, counted from when the meter was made. */
export class ProcessorMeter {
  readonly #pid: number;
  readonly #before: ReadonlyMap<string, number>;
  readonly #beganAt = performance.now();

  /** Begins to count. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#before = threadMs(pid);
  }

  /** The share of one core that it has used since, in percent. */
  percent(): number {
    let ms = 0;
    for (const [thread, now] of threadMs(this.#pid)) {
      ms += now - (this.#before.get(thread) ?? 0);
    }
    return 100 * ms / (performance.now() - this.#beganAt);
  }
}

/** Processor time of each thread, in ms; of none that has ended meanwhile. */
function threadMs(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const thread of threadsOf(pid)) {
    const ms = timeOf(`/proc/${pid}/task/${thread}`);
    if (ms !== undefined) times.set(thread, ms);
  }
  return times;
}

/** The threads of a process; none if it has ended, as a server's come and go. */
function threadsOf(pid: number): string[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function timeOf(folder: string): number | undefined {
  // In ns, and so finer than utime and stime, where the kernel keeps it.
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

/** The memory of a process; none if it has ended. */
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
