/**
 * One run of a real agent, with nobody at its terminal.
 *
 * It is a process group of its own, so that all it has started can be ended
 * with it: when its time is up, and when it is done but has left somebody
 * behind.
 *
 * @module
 */

/** How to start an agent. */
export interface AgentStart {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its working folder. */
  readonly cwd: string;
  /**
   * How long it may take, in milliseconds: several times what the slowest takes
   * on a busy machine.
   * @default {100_000}
   */
  readonly msMax?: number;
}

/** How a run ended. */
export interface AgentEnd {
  /** The exit code; above 128 if it was killed. */
  readonly code: number;
  /** What it wrote on standard output and error. */
  readonly output: string;
}

const RUN_MS_MAX = 100_000;

/** A run of an agent. */
export class AgentRun {
  /** The process that was started; the agent is it or below it. */
  readonly pid: number;
  /** How it ended. */
  readonly ended: Promise<AgentEnd>;

  /** Starts one. */
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
    // Whoever is left holds the pipes, too.
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

/** Whether a process is `ancestor` or was started by it or below it. */
export async function isWithin(
  pid: number,
  ancestor: number,
): Promise<boolean> {
  for (let at = pid; at > 1;) {
    if (at === ancestor) return true;
    const stat = await Deno.readTextFile(`/proc/${at}/stat`);
    // After the name, which may hold anything, come the state and the parent.
    at = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  }
  return false;
}
