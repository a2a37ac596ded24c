/**
 * Faults of system calls in a running process: strace attaches to the process
 * and returns errors in the kernel's place, until the injection is disposed.
 *
 * @module
 */

import { hasProgram } from "../fixture.ts";
import { TextLineStream } from "../text_lines.ts";
import { within } from "../waiting.ts";

/** Whether this system can inject faults. */
export const canInject: boolean = Deno.build.os === "linux" &&
  Deno.build.arch === "x86_64" && hasProgram("strace");

/** The suffix of a test's name, with the reason if the test is ignored. */
export const unlessInjects: string = canInject
  ? ""
  : " (ignored: needs strace: apt-get install strace)";

/** A fault of a system call. */
export interface Fault {
  /** The calls, such as `pwrite64` or `fsync,fdatasync`. */
  readonly calls: string;
  /** The errno, such as `EIO`. */
  readonly error: string;
  /**
   * The failing calls, in strace's syntax: `1+` for all, `7` for the seventh,
   * `2+3` for the second and then each third.
   * @default {"1+"}
   */
  readonly when?: string;
}

/** A fault in a process, until disposal. */
export class Injection implements AsyncDisposable {
  readonly #strace: Deno.ChildProcess;
  readonly #output: Promise<void>;

  private constructor(strace: Deno.ChildProcess, output: Promise<void>) {
    this.#strace = strace;
    this.#output = output;
  }

  /** Injects a fault into a process. Resolves when strace has attached. */
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
    const output = (async () => {
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
    return new Injection(strace, output);
  }

  /** Ends the fault. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#strace.kill("SIGINT");
    await this.#strace.status;
    await this.#output;
  }
}
