/**
 * The real program on a fresh bus: each command is a process of its own, with
 * a home folder and an environment that hold nothing of this machine's.
 *
 * @module
 */

import assert from "node:assert/strict";

/** The checkout. */
export const ROOT = decodeURIComponent(
  new URL("../..", import.meta.url).pathname,
)
  .replace(/\/$/, "");

/** What is put before a command's arguments. */
const PROGRAM = [
  "run",
  "--quiet",
  "--cached-only",
  "--allow-all",
  `${ROOT}/cli.ts`,
];

/** What a command that has ended left behind. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to start a command. */
export interface StartOptions {
  /** What it can read from its standard input. */
  readonly input?: string | Uint8Array;
  /** More of its environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The folder it runs in. */
  readonly cwd?: string;
  /** What runs the program, instead of nothing: `unshare -m …`. */
  readonly through?: readonly string[];
}

/** A fresh bus, and commands on it. */
export class Mbus implements AsyncDisposable {
  /** A folder that is removed in the end. */
  readonly folder: string = Deno.makeTempDirSync({ prefix: "mbus-cli-" });
  /** The bus folder, which is not made yet. */
  readonly home: string = `${this.folder}/bus`;
  readonly #running = new Set<Running>();

  constructor() {
    Deno.mkdirSync(`${this.folder}/home`);
    Deno.mkdirSync(`${this.folder}/project`);
  }

  /** The database file. */
  get database(): string {
    return `${this.home}/db/messaging.db`;
  }

  /** Runs a command to its end. */
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

  /** Runs a command that must do its work; returns what it printed. */
  async done(
    args: readonly string[],
    options: StartOptions = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    assert.equal(code, 0, `mbus ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Runs a command with `--json` that must do its work; returns its lines. */
  async json(
    args: readonly string[],
    options: StartOptions = {},
  ): Promise<Record<string, unknown>[]> {
    const text = await this.done([...args, "--json"], options);
    return text.split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** Starts a command that goes on. */
  start(args: readonly string[], options: StartOptions = {}): Running {
    const running = new Running(
      this.#spawn(args, options),
      () => this.#running.delete(running),
    );
    this.#running.add(running);
    return running;
  }

  /** Sends until a tail that begins now has printed something. */
  async reach(tail: Running): Promise<void> {
    const first = tail.line();
    let printed = false;
    first.then(() => printed = true);
    while (!printed) await this.done(["send", "ready", "0"]);
  }

  /** The environment of its commands. */
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

// What tells the way to the network, from where the bundler comes the first time.
const NETWORK = [
  ...["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"],
  ...["https_proxy", "http_proxy", "no_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "DENO_CERT"],
  ...["DENO_TLS_CA_STORE", "NPM_CONFIG_REGISTRY"],
];

/** A command that is running. */
export class Running {
  /** Its process. */
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

  /** The next line that it prints; undefined at the end. */
  line(): Promise<string | undefined> {
    return this.#stdout.next();
  }

  /** The next line that it says aside. */
  aside(): Promise<string | undefined> {
    return this.#stderr.next();
  }

  /** Stops reading what it prints, as `head` does. */
  async leave(): Promise<void> {
    await this.#stdout.close();
  }

  /** Sends a signal, waits for the end; returns the exit code. */
  async end(signal?: Deno.Signal): Promise<number> {
    if (signal !== undefined) this.#child.kill(signal);
    const { code } = await this.#child.status;
    await this.#stdout.close();
    await this.#stderr.close();
    this.#onEnd();
    return code;
  }

  /** Ends it at once; returns the whole lines that nobody had taken. */
  async kill(): Promise<string[]> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
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

/** The lines of a stream, one at a time. */
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

// The modules that the program needs were made ready there.
export function denoDir(): string | undefined {
  const home = Deno.env.get("HOME");
  const cache = Deno.build.os === "darwin" ? "Library/Caches" : ".cache";
  return Deno.env.get("DENO_DIR") ?? (home && `${home}/${cache}/deno`);
}
