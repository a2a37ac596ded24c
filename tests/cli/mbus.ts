/**
 * The real program on a fresh bus. Each command is a child process, with a home
 * folder and an environment that are independent of this machine.
 *
 * @module
 */

import assert from "node:assert/strict";

/** Folder of the checkout. */
export const ROOT = decodeURIComponent(
  new URL("../..", import.meta.url).pathname,
)
  .replace(/\/$/, "");

/** Arguments of the runtime before those of the command. */
const PROGRAM = [
  "run",
  "--quiet",
  "--cached-only",
  "--allow-all",
  `${ROOT}/cli.ts`,
];

/** Result of a command that has ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of starting a command. */
export interface StartOptions {
  /** Standard input (default: empty). */
  readonly input?: string | Uint8Array;
  /** Further variables; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Working folder (default: the project). */
  readonly cwd?: string;
  /** Program that runs the runtime, such as `unshare -m …`. */
  readonly through?: readonly string[];
}

/** Runs commands on a fresh bus. */
export class Mbus implements AsyncDisposable {
  /** Temporary folder, removed on disposal. */
  readonly folder: string = Deno.makeTempDirSync({ prefix: "mbus-cli-" });
  /** Bus folder, which does not exist yet. */
  readonly home: string = `${this.folder}/bus`;
  readonly #running = new Set<Running>();

  constructor() {
    Deno.mkdirSync(`${this.folder}/home`);
    Deno.mkdirSync(`${this.folder}/project`);
  }

  /** Path of the database file. */
  get database(): string {
    return `${this.home}/db/messaging.db`;
  }

  /** Runs a command and waits for its end. */
  async run(
    args: readonly string[],
    options: StartOptions = {},
  ): Promise<Ended> {
    const child = this.#spawn(args, options);
    const writer = child.stdin.getWriter();
    if (options.input !== undefined) {
      const { input } = options;
      await writer.write(
        typeof input === "string" ? new TextEncoder().encode(input) : input,
      ).catch(() => {});
    }
    await writer.close().catch(() => {});
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    return {
      code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
    };
  }

  /** Runs a command that must succeed; returns its output. */
  async done(
    args: readonly string[],
    options: StartOptions = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    assert.equal(code, 0, `mbus ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Runs a command with `--json` that must succeed; returns its lines. */
  async json(
    args: readonly string[],
    options: StartOptions = {},
  ): Promise<Record<string, unknown>[]> {
    const text = await this.done(["--json", ...args], options);
    return text.split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** Starts a command without waiting for its end. */
  start(args: readonly string[], options: StartOptions = {}): Running {
    const running = new Running(
      this.#spawn(args, options),
      () => this.#running.delete(running),
    );
    this.#running.add(running);
    return running;
  }

  /** Sends messages until a starting tail has printed its first line. */
  async reach(tail: Running): Promise<void> {
    const first = tail.line();
    let printed = false;
    first.then(() => printed = true);
    while (!printed) await this.done(["send", "ready", "0"]);
  }

  /** Returns the environment of the commands. */
  environment(more: StartOptions["env"] = {}): Record<string, string> {
    const env: Record<string, string | undefined> = {
      ...Object.fromEntries(NETWORK.map((name) => [name, Deno.env.get(name)])),
      PATH: Deno.env.get("PATH"),
      DENO_DIR: denoDir(),
      HOME: `${this.folder}/home`,
      MBUS_HOME: this.home,
      MBUS_SESSION: "tester",
      ...more,
    };
    return Object.fromEntries(
      Object.entries(env).filter(([, value]) => value !== undefined),
    ) as Record<string, string>;
  }

  #spawn(args: readonly string[], options: StartOptions): Deno.ChildProcess {
    const [program, ...rest] = [
      ...(options.through ?? []),
      Deno.execPath(),
      ...PROGRAM,
      ...args,
    ];
    return new Deno.Command(program, {
      args: rest,
      cwd: options.cwd ?? `${this.folder}/project`,
      env: this.environment(options.env),
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((each) => each.kill()));
    await Deno.remove(this.folder, { recursive: true });
  }
}

// Variables of the network, from which the runtime fetches the bundler once.
const NETWORK = [
  ...["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"],
  ...["https_proxy", "http_proxy", "no_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "DENO_CERT"],
  ...["DENO_TLS_CA_STORE", "NPM_CONFIG_REGISTRY"],
];

/** A running command. */
export class Running {
  /** Id of its process. */
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Lines;
  readonly #stderr: Lines;
  readonly #onEnd: () => void;

  constructor(child: Deno.ChildProcess, onEnd: () => void) {
    this.pid = child.pid;
    this.#child = child;
    this.#stdout = new Lines(child.stdout);
    this.#stderr = new Lines(child.stderr);
    this.#onEnd = onEnd;
    child.stdin.close();
  }

  /** Returns its next line; undefined at the end. */
  line(): Promise<string | undefined> {
    return this.#stdout.next();
  }

  /** Returns its next line on standard error. */
  errorLine(): Promise<string | undefined> {
    return this.#stderr.next();
  }

  /** Closes its output, as `head` does. */
  async leave(): Promise<void> {
    await this.#stdout.close();
  }

  /** Sends a signal and waits for the end; returns the exit code. */
  async end(signal?: Deno.Signal): Promise<number> {
    if (signal !== undefined) this.#child.kill(signal);
    const { code } = await this.#child.status;
    await this.#stdout.close();
    await this.#stderr.close();
    this.#onEnd();
    return code;
  }

  /** Kills the command; returns the complete lines that were not read. */
  async kill(): Promise<string[]> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // The command has ended.
    }
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) break;
      lines.push(line);
    }
    await this.end();
    return lines;
  }
}

/** Reads the lines of a stream. */
class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  async next(): Promise<string | undefined> {
    for (;;) {
      const at = this.#text.indexOf("\n");
      if (at !== -1) {
        const line = this.#text.slice(0, at);
        this.#text = this.#text.slice(at + 1);
        return line;
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#text += value;
    }
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** Returns the folder in which the program's modules were made ready. */
export function denoDir(): string {
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.build.os === "darwin" ? "Library/Caches" : ".cache";
  return Deno.env.get("DENO_DIR") ?? `${home}/${cache}/deno`;
}
