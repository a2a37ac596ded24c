/**
 * Shell of a session, which runs commands as its children. Killing the shell ends
 * the session.
 *
 * @module
 */

import assert from "node:assert/strict";
import { openBus } from "../../mod.ts";
import { within } from "../fixture.ts";
import { TextLineStream } from "../text_lines.ts";
import { type Mbus, ROOT } from "./mbus.ts";

// Defines `mbus` for the commands that the shell runs.
const PROLOGUE = `mbus() { "$DENO" run -q --cached-only -A "$CLI" "$@"; }\n`;

/** A shell whose process is registered as a session. */
export class Shell implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #asides: ReadableStreamDefaultReader<string>;
  #ended = false;

  private constructor(mbus: Mbus) {
    this.#child = new Deno.Command("sh", {
      cwd: `${mbus.folder}/project`,
      env: {
        ...mbus.environment({ MBUS_SESSION: undefined }),
        DENO: Deno.execPath(),
        CLI: `${ROOT}/cli.ts`,
      },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
    this.#asides = linesOf(this.#child.stderr);
  }

  /** Opens a shell for a session. */
  static async open(
    mbus: Mbus,
    session: string,
    known: { readonly vendor?: string; readonly task?: string } = {},
  ): Promise<Shell> {
    const shell = new Shell(mbus);
    const { pid } = shell.#child;
    await using bus = await openBus({
      home: mbus.home,
      session,
      pid,
      project: `${mbus.folder}/project`,
      ...known,
    });
    await bus.sessions.register();
    await shell.#write(PROLOGUE);
    return shell;
  }

  /** Runs a command; returns its exit code and its output. */
  async run(command: string): Promise<{ code: number; lines: string[] }> {
    await this.start(command);
    return await this.ended();
  }

  /** Starts a command without waiting for its end. */
  async start(command: string): Promise<void> {
    await this.#write(`${command}\necho "[$?]"\n`);
  }

  /** Waits for the end of the started command. */
  async ended(): Promise<{ code: number; lines: string[] }> {
    const lines: string[] = [];
    for (;;) {
      const { done, value } = await within("the end", this.#lines.read());
      assert.ok(!done, "the shell ended");
      const end = /^\[(\d+)\]$/.exec(value);
      if (end !== null) return { code: Number(end[1]), lines };
      lines.push(value);
    }
  }

  /** Returns the next line on standard error. */
  async errorLine(): Promise<string> {
    const { done, value } = await within("an aside", this.#asides.read());
    assert.ok(!done, "the shell ended");
    return value;
  }

  /** Kills the shell with SIGKILL; its children go on. */
  async kill(): Promise<void> {
    this.#ended = true;
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#input.abort().catch(() => {});
    await Promise.all([this.#lines.cancel(), this.#asides.cancel()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.kill();
  }

  async #write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }
}

function linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStreamDefaultReader<string> {
  return stream.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
}
