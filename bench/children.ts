/**
 * Child processes of a benchmark, and the lines they are led by.
 *
 * A child prints one JSON value a line and reads one word a line. It ends when
 * its input ends, so none outlives a bench that was killed; whoever is left
 * when the bench ends, or is interrupted, is ended by {@linkcode endChildren}.
 *
 * @module
 */

/** A child that runs one script of this folder; disposing of it kills it. */
export interface Child extends AsyncDisposable {
  /** Its process. */
  readonly pid: number;
  /** The next value it prints. */
  next<T>(): Promise<T>;
  /** Gives it a word. */
  tell(word: string): Promise<void>;
  /** Kills it, and waits until it is gone. */
  kill(): Promise<void>;
  /** Lets it end by itself, and waits for that. */
  end(): Promise<void>;
}

const running = new Set<Deno.ChildProcess>();

/** How the runtime is told to run a script of this folder. */
export function runScript(script: string, ...args: string[]): string[] {
  const config = new URL("../deno.json", import.meta.url).pathname;
  const { href } = new URL(script, import.meta.url);
  return [
    ...["run", "--quiet", "--config", config, "--unstable-kv", "--allow-all"],
    href,
    ...args,
  ];
}

/** Starts `script`, handing it `argument` as JSON. */
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
    async tell(word: string): Promise<void> {
      await input.write(new TextEncoder().encode(`${word}\n`));
    },
    async kill(): Promise<void> {
      kill(process);
      await ended;
    },
    async end(): Promise<void> {
      // A child that has ended by itself has closed its input already.
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

/** Starts a program by itself: it is neither heard nor told anything. */
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

/** Ends every child that still runs. */
export function endChildren(): void {
  for (const process of running) kill(process);
}

function kill(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}

/** In a child: what it was started with. */
export function argumentOfChild<T>(): T {
  return JSON.parse(Deno.args[0]) as T;
}

/** In a child: the words it is given, one by one. */
export function words(): AsyncGenerator<string, void> {
  return linesOf(Deno.stdin.readable);
}

/** In a child: prints a value for whoever started it. */
export function say(value: unknown): void {
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
