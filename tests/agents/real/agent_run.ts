/**
 * One run of a real agent, without a person.
 *
 * The agent is the leader of a process group, so that its timeout and its end
 * also kill the processes that it has started.
 *
 * @module
 */

/** Options of a run. */
export interface AgentStart {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The working folder. */
  readonly cwd: string;
  /**
   * The timeout, in milliseconds.
   * @default {100_000}
   */
  readonly msMax?: number;
}

/** The end of a run. */
export interface AgentEnd {
  /** The exit code; above 128 after a signal. */
  readonly code: number;
  /** The text on stdout and stderr. */
  readonly output: string;
}

const RUN_MS_MAX = 100_000;

/** A run of an agent. */
export class AgentRun {
  /** The started process, which is the agent or its ancestor. */
  readonly pid: number;
  /** Resolves at the end of the run. */
  readonly ended: Promise<AgentEnd>;

  /** Starts an agent. */
  constructor({ command, env, cwd, msMax = RUN_MS_MAX }: AgentStart) {
    const [program, ...args] = command;
    const child = new Deno.Command(program, {
      args,
      env: { ...env },
      cwd,
      clearEnv: true,
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = child.pid;
    this.ended = this.#toEnd(child, msMax);
  }

  async #toEnd(
    child: Deno.ChildProcess,
    msMax: number,
  ): Promise<AgentEnd> {
    const timer = setTimeout(() => this.#kill(), msMax);
    const outputs = Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    const { code } = await child.status;
    clearTimeout(timer);
    // Remaining processes hold the pipes open.
    this.#kill();
    return { code, output: (await outputs).join("\n") };
  }

  #kill(): void {
    try {
      Deno.kill(-this.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Returns whether a process is `ancestor` or one of its descendants. */
export async function isWithin(
  pid: number,
  ancestor: number,
): Promise<boolean> {
  for (let at = pid; at > 1;) {
    if (at === ancestor) return true;
    const stat = await Deno.readTextFile(`/proc/${at}/stat`);
    // The state and the parent follow the name, which may contain anything.
    at = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  }
  return false;
}
