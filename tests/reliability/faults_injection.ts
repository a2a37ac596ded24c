/**
 * Faults of system calls, put into a process that runs and taken out of it
 * again: strace attaches to it and answers its calls in the kernel's place.
 *
 * @module
 */

import { hasProgram } from "../fixture.ts";
import { TextLineStream } from "../text_lines.ts";
import { within } from "../waiting.ts";

/** Whether faults can be put into processes here. */
export const canInject: boolean = Deno.build.os === "linux" &&
  Deno.build.arch === "x86_64" && hasProgram("strace");

/** What to say in the name of a test that is left out without. */
export const unlessInjects: string = canInject
  ? ""
  : " (ignored: needs strace: apt-get install strace)";

/** A fault of a system call. */
export interface Fault {
  /** The calls, such as `pwrite64` or `fsync,fdatasync`. */
  readonly calls: string;
  /** The error, such as `EIO`. */
  readonly error: string;
  /**
   * Which of the calls fail, as strace has it: `1+` all, `7` the seventh,
   * `2+3` the second and from then on each third.
   * @default {"1+"}
   */
  readonly when?: string;
}

/** A fault, as long as it lasts. */
export class Injection implements AsyncDisposable {
  readonly #strace: Deno.ChildProcess;
  readonly #said: Promise<void>;

  private constructor(strace: Deno.ChildProcess, said: Promise<void>) {
    this.#strace = strace;
    this.#said = said;
  }

  /** Puts a fault into a process; resolves when all its threads have it. */
  static async into(pid: number, fault: Fault): Promise<Injection> {
    const { calls, error, when = "1+" } = fault;
    const strace = new Deno.Command("strace", {
      args: [
        "-f",
        "-o",
        "/dev/null",
        "-e",
        `trace=${calls}`,
        "-e",
        `inject=${calls}:error=${error}:when=${when}`,
        "-p",
        String(pid),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const attached = Promise.withResolvers<void>();
    const said = (async () => {
      const all: string[] = [];
      const lines = strace.stderr.pipeThrough(new TextDecoderStream())
        .pipeThrough(new TextLineStream());
      for await (const line of lines) {
        all.push(line);
        if (line.includes(`Process ${pid} attached`)) attached.resolve();
      }
      attached.reject(new Error(`strace: ${all.join("; ")}`));
    })();
    await within("strace", attached.promise);
    return new Injection(strace, said);
  }

  /** Takes it out again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#strace.kill("SIGINT");
    await this.#strace.status;
    await this.#said;
  }
}
