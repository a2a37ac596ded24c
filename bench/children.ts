/**
 * Child processes of a benchmark, and the lines on their stdin and stdout.
 *
 * A child prints one JSON value a line and reads one word a line. It ends when
 * its stdin ends, so no child outlives a bench that was killed.
 * {@linkcode endChildren} ends the rest when the bench ends or is interrupted.
 *
 * @module
 */

/** A child that runs one script of this folder. Disposal kills it. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /**
   * Returns the next value that the child prints.
   *
   * @throws {Error} If the child ends first.
   */
  next<T>(): Promise<T>;
  /** Writes a word to the child's stdin. */
  write(word: string): Promise<void>;
  /** Kills the child, and waits until it has ended. */
  kill(): Promise<void>;
  /** Closes the child's stdin, and waits until the child has ended. */
  end(): Promise<void>;
}

const running = new Set<Deno.ChildProcess>();

/** Returns the arguments of Deno that run a script of this folder. */
export function runScript(script: string, ...args: string[]): string[] {
  const config = new URL("../deno.json", import.meta.url).pathname;
  const { href } = new URL(script, import.meta.url);
  return [
    ...["run", "--quiet", "--config", config, "--unstable-kv", "--allow-all"],
    href,
    ...args,
  ];
}

/** Starts `script` with `argument` as JSON. */
export function startChild(script: string, argument: unknown): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: runScript(script, JSON.stringify(argument)),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  running.add(process);
  const ended = process.status.finally(() => running.delete(process));
  const input = process.stdin.getWriter();
  const lines = linesOf(process.stdout);
  return {
    pid: process.pid,
    async next<T>(): Promise<T> {
      const line = await lines.next();
      if (!line.done) return JSON.parse(line.value) as T;
      const { code, signal } = await ended;
      throw new Error(`${script} ended early (${signal ?? code})`);
    },
    async write(word: string): Promise<void> {
      await input.write(new TextEncoder().encode(`${word}\n`));
    },
    async kill(): Promise<void> {
      kill(process);
      await ended;
    },
    async end(): Promise<void> {
      // The stdin of a child that has ended is closed already.
      await input.close().catch(() => {});
      while (!(await lines.next()).done);
      await ended;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      kill(process);
      await input.close().catch(() => {});
      await ended;
    },
  };
}

/** Starts a program without stdin and stdout. */
export function startProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Pick<Child, "pid"> & AsyncDisposable {
  const process = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  running.add(process);
  const ended = process.status.finally(() => running.delete(process));
  return {
    pid: process.pid,
    async [Symbol.asyncDispose](): Promise<void> {
      kill(process);
      await ended;
    },
  };
}

/** Kills every child that still runs. */
export function endChildren(): void {
  for (const process of running) kill(process);
}

function kill(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // The process has ended.
  }
}

/** Returns, in a child, the argument that it was started with. */
export function argumentOfChild<T>(): T {
  return JSON.parse(Deno.args[0]) as T;
}

/** Yields, in a child, the words of its stdin. */
export function words(): AsyncGenerator<string, void> {
  return linesOf(Deno.stdin.readable);
}

/** Prints, in a child, a value for the bench. */
export function print(value: unknown): void {
  console.log(JSON.stringify(value));
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
