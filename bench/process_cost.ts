/**
 * What a process costs: processor time and memory, as Linux tells.
 *
 * @module
 */

/** Memory of a process, in MB (10⁶ bytes). */
export interface Memory {
  /** Resident, shared pages of the program counted in full. */
  readonly residentMb: number;
  /** Its own: what would be free if it ended. */
  readonly privateMb: number;
  /** Resident, each shared page divided among those who share it. */
  readonly proportionalMb: number;
}

/** Whether this system tells what a process costs. */
export const TELLS_PROCESS_COST: boolean = Deno.build.os === "linux";

// The unit of utime and stime in /proc, fixed for user space on every Linux.
const TICK_MS = 10;

/** Processor time that a process has used, all its threads, in ms. */
export function processorMs(pid: number): number {
  let ns = 0;
  try {
    // Finer than utime and stime, where the kernel keeps it.
    for (const thread of Deno.readDirSync(`/proc/${pid}/task`)) {
      const text = Deno.readTextFileSync(
        `/proc/${pid}/task/${thread.name}/schedstat`,
      );
      ns += Number(text.split(" ")[0]);
    }
    if (ns > 0) return ns / 1e6;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** The memory of a process. */
export function memoryOf(pid: number): Memory {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  const mb = (field: string): number => {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
    return Number(kib ?? NaN) * 1024 / 1e6;
  };
  return {
    residentMb: mb("Rss"),
    privateMb: mb("Private_Clean") + mb("Private_Dirty"),
    proportionalMb: mb("Pss"),
  };
}
