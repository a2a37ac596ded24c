/**
 * Windows of a real Codex, whose threads run in its shared daemon.
 *
 * They are windows of one tmux server, in the network of the model. The model
 * runs a prompt that starts with `RUN=` as a shell command.
 *
 * @module
 */

import { processEntry } from "../../../lib/process/processes.ts";
import { run, until } from "../../fixture.ts";
import { isWithin } from "./agent_run.ts";
import { type Loopback, startLoopback } from "./loopback.ts";
import type { Program } from "./program.ts";
import { isRecord, type JsonRecord, recordsIn, type Turn } from "./wire.ts";
import type { Workplace } from "./workplace.ts";

/** Options of a window. */
export interface WindowStart {
  /** The working folder. */
  readonly cwd: string;
  /** Additional environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** The arguments of `codex`. */
  readonly args?: readonly string[];
}

/** A terminal with a Codex in it. */
export interface Window {
  /** The pane's id in tmux. */
  readonly pane: string;
  /** The process id of its Codex. */
  readonly pid: number;
}

/** The windows of one Codex. */
export class CodexWindows implements AsyncDisposable {
  /** The folder `CODEX_HOME`. */
  readonly codexHome: string;
  readonly #place: Workplace;
  readonly #program: Program;
  readonly #loopback: Loopback;
  readonly #stage: Deno.ChildProcess;
  readonly #socket: string;

  private constructor(place: Workplace, program: Program) {
    this.#place = place;
    this.#program = program;
    this.codexHome = `${place.home}/.codex`;
    this.#socket = `${place.root}/tmux`;
    this.#loopback = startLoopback({ answerTo }, place.root);
    // The tmux server runs in the network of the model, until this shell ends.
    const [command, ...args] = [
      ...this.#loopback.prefix,
      "sh",
      "-c",
      `tmux -S '${this.#socket}' -f /dev/null new-session -d -x 120 -y 40 cat &&
       while tmux -S '${this.#socket}' has-session; do sleep 0.2; done`,
    ];
    this.#stage = new Deno.Command(command, {
      args,
      env: { ...place.env([]), ...this.#loopback.env },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** Starts a tmux server, and installs and trusts the hooks. */
  static async open(
    place: Workplace,
    program: Program,
    folders: readonly string[],
  ): Promise<CodexWindows> {
    const windows = new CodexWindows(place, program);
    const trusted = folders.map((folder) =>
      `[projects."${folder}"]\ntrust_level = "trusted"\n`
    );
    await place.configure(
      ".codex/config.toml",
      `model = "gpt-5.5"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "${windows.#loopback.url}/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"

[analytics]
enabled = false

[features]
plugins = false
apps = false
shell_snapshot = false

[notice.model_migrations]
"gpt-5.5" = "gpt-6-sol"

${trusted.join("\n")}`,
    );
    await place.installHooks("codex");
    await windows.#trustHooks(folders[0]);
    await until("tmux to start", async () => {
      return (await windows.tmux(["list-sessions"], true)) !== "";
    });
    return windows;
  }

  /** Returns the environment of a Codex, without tmux's variables. */
  env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { commands, nodeCommands } = this.#program;
    return {
      ...this.#place.env([commands, nodeCommands]),
      ...this.#loopback.env,
      SCRIPTED_KEY: "none",
      ...more,
    };
  }

  /** Opens a window. Resolves when it accepts prompts. */
  async start({ cwd, env = {}, args = [] }: WindowStart): Promise<Window> {
    const words = [
      "exec",
      "env",
      "-i",
      ...Object.entries(this.env(env)).map(([name, text]) => `${name}=${text}`),
      "codex",
      ...args,
    ].map((word, at) => at === 0 ? word : `'${word}'`);
    const format = "#{pane_id} #{pane_pid}";
    const made = await this.tmux([
      ...["new-window", "-d", "-P", "-F", format, "-c", cwd],
      words.join(" "),
    ]);
    const [pane, shell] = made.trim().split(" ");
    let pid = 0;
    await until("the window to accept prompts", async () => {
      pid = await this.#codexBelow(Number(shell)) ?? 0;
      return pid !== 0 && /^› /m.test(await this.screen({ pane, pid }));
    });
    return { pane, pid };
  }

  /** Returns the text of a window. */
  async screen({ pane }: Window): Promise<string> {
    return await this.tmux(["capture-pane", "-p", "-t", pane], true);
  }

  /** Returns the texts of all windows, for an error. */
  async screens(): Promise<string> {
    const panes = await this.tmux(
      ["list-panes", "-a", "-F", "#{pane_id}"],
      true,
    );
    const shown = panes.trim().split("\n").map((pane) =>
      this.screen({ pane, pid: 0 })
    );
    return (await Promise.all(shown)).map((text) => text.trimEnd())
      .join("\n----\n");
  }

  /** Types a line into a window. */
  async type(window: Window, text: string): Promise<void> {
    const { pane } = window;
    await this.tmux(["send-keys", "-t", pane, "-l", text]);
    try {
      await until(
        `"${text}" is in the window`,
        async () =>
          unwrapped(await this.screen(window)).includes(unwrapped(text)),
      );
    } catch (cause) {
      throw new Error(await this.screen(window), { cause });
    }
    // Codex takes an immediate Enter for a part of a paste.
    await new Promise((resolve) => setTimeout(resolve, 700));
    await this.tmux(["send-keys", "-t", pane, "Enter"]);
  }

  /** Returns the process id of the daemon. */
  daemon(): number {
    const path = `${this.codexHome}/app-server-daemon/daemon.pid`;
    return JSON.parse(Deno.readTextFileSync(path)).pid;
  }

  /** Runs `codex` to its end, in the network of the model. */
  async run(args: readonly string[], cwd: string): Promise<void> {
    const done = `${this.#place.root}/${crypto.randomUUID()}`;
    const words = Object.entries(this.env())
      .map(([name, text]) => `'${name}=${text}'`);
    await this.tmux([
      ...["new-window", "-d", "-c", cwd],
      `env -i ${words.join(" ")} codex ${
        args.join(" ")
      } </dev/null >${done}.log 2>&1; echo $? >${done}`,
    ]);
    await until(`codex ${args.join(" ")} has ended`, () => exists(done));
    const code = (await Deno.readTextFile(done)).trim();
    if (code === "0") return;
    throw new Error(
      `codex ${args.join(" ")}: ${await Deno.readTextFile(`${done}.log`)}`,
    );
  }

  /** Runs tmux. With `mayFail`, a failure returns an empty text. */
  async tmux(args: readonly string[], mayFail = false): Promise<string> {
    const command = ["-S", this.#socket, ...args];
    if (!mayFail) return await run("tmux", command);
    const { success, stdout } = await new Deno.Command("tmux", {
      args: command,
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout) : "";
  }

  /** Returns the native program below a shell, past npm's launcher. */
  async #codexBelow(shell: number): Promise<number | undefined> {
    for (const { name } of Deno.readDirSync("/proc")) {
      const entry = /^\d+$/.test(name) ? processEntry(Number(name)) : undefined;
      if (entry?.command !== "codex" || /[ZX]/.test(entry.state)) continue;
      if (entry.arguments.includes("--managed-daemon")) continue;
      if (await isWithin(entry.pid, shell)) return entry.pid;
    }
  }

  /** Trusts the hooks that Codex lists, as a person does by `/hooks`. */
  async #trustHooks(folder: string): Promise<void> {
    const server = new Deno.Command("codex", {
      args: ["app-server"],
      cwd: folder,
      env: this.env(),
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const clientInfo = { name: "test", title: null, version: "0" };
    const writer = server.stdin.getWriter();
    await writer.write(new TextEncoder().encode(
      [
        {
          id: 1,
          method: "initialize",
          params: { clientInfo, capabilities: null },
        },
        { method: "initialized" },
        { id: 2, method: "hooks/list", params: { cwds: [folder] } },
      ].map((message) => `${JSON.stringify(message)}\n`).join(""),
    ));
    let hooks: JsonRecord[] = [];
    let text = "";
    for await (
      const part of server.stdout.pipeThrough(new TextDecoderStream())
    ) {
      text += part;
      const answer = text.split("\n").slice(0, -1)
        .map((line) => JSON.parse(line)).find(({ id }) => id === 2);
      if (answer === undefined) continue;
      hooks = hooksIn(answer.result);
      break;
    }
    await writer.close();
    await server.status;
    if (hooks.length === 0) {
      throw new Error("Cannot trust hooks: Codex lists none.");
    }
    const path = `${this.codexHome}/config.toml`;
    await Deno.writeTextFile(
      path,
      await Deno.readTextFile(path) +
        hooks.map(({ key, currentHash }) =>
          `\n[hooks.state."${key}"]\ntrusted_hash = "${currentHash}"\n`
        ).join(""),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The daemons outlive the windows.
    const daemons = ["daemon.pid", "daemon-updater.pid"].map((name) => {
      try {
        const path = `${this.codexHome}/app-server-daemon/${name}`;
        return Number(JSON.parse(Deno.readTextFileSync(path)).pid);
      } catch {
        return undefined;
      }
    });
    await this.tmux(["kill-server"], true);
    for (const pid of daemons) {
      if (pid !== undefined) kill(pid, "SIGKILL");
    }
    await this.#stage.status;
    await this.#loopback.server[Symbol.asyncDispose]();
    for (const pid of daemons) {
      if (pid === undefined) continue;
      await until(
        "the daemon has ended",
        () => /[ZX]/.test(processEntry(pid)?.state ?? "X"),
      );
    }
  }
}

/** Returns a text without spaces, because a window wraps lines. */
function unwrapped(text: string): string {
  return text.replace(/\s+/g, "");
}

/** Sends a signal to a process, unless it has ended. */
export function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Returns the call of the last prompt's command, which hooks' text may follow.
 */
function answerTo(body: JsonRecord): Turn {
  for (const item of recordsIn(body.input).reverse()) {
    if (item.type !== "message") return { say: "Done." };
    const text = recordsIn(item.content).map(({ text }) => String(text ?? ""))
      .join("\n");
    const command = /^RUN=(.*)$/m.exec(text)?.[1];
    if (item.role !== "user" || command === undefined) continue;
    const input = { cmd: command, yield_time_ms: 30_000 };
    return { tool: "exec_command", input };
  }
  return { say: "Hello." };
}

/** Returns the hooks at any depth of a response. */
function hooksIn(value: unknown): JsonRecord[] {
  if (Array.isArray(value)) return value.flatMap(hooksIn);
  if (!isRecord(value)) return [];
  if ("currentHash" in value && "key" in value) return [value];
  return Object.values(value).flatMap(hooksIn);
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
