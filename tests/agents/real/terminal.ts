/**
 * A terminal, in the network of the model, that runs one real agent.
 *
 * @module
 */

import { processEntry } from "../../../lib/process/processes.ts";
import { run, until } from "../../fixture.ts";
import type { Loopback } from "./loopback.ts";
import type { Workplace } from "./workplace.ts";

/** A pane of a tmux server of its own. */
export class Terminal implements AsyncDisposable {
  readonly #socket: string;
  readonly #stage: Deno.ChildProcess;

  private constructor(socket: string, stage: Deno.ChildProcess) {
    this.#socket = socket;
    this.#stage = stage;
  }

  /** Runs a command in a new terminal. */
  static async open(
    place: Workplace,
    loopback: Loopback,
    command: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<Terminal> {
    const socket = `${place.root}/tmux`;
    const words = command.map((word) => `'${word}'`).join(" ");
    const script = `${place.root}/terminal.sh`;
    await Deno.writeTextFile(
      script,
      `unset TMUX TMUX_PANE\ncd '${place.project}' && exec ${words}\n`,
    );
    // The tmux server stays in the network of the model until this shell ends.
    const [program, ...args] = [
      ...loopback.prefix,
      "sh",
      "-c",
      `tmux -S '${socket}' -f /dev/null new-session -d -x 120 -y 40 sh '${script}' &&
       while tmux -S '${socket}' has-session; do sleep 0.2; done`,
    ];
    const stage = new Deno.Command(program, {
      args,
      env,
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const terminal = new Terminal(socket, stage);
    await until("tmux to start", async () => await terminal.screen() !== "");
    return terminal;
  }

  /** Returns the text of the terminal; empty if its command has ended. */
  async screen(): Promise<string> {
    const { success, stdout } = await new Deno.Command("tmux", {
      args: ["-S", this.#socket, "capture-pane", "-p"],
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout) : "";
  }

  /** Presses a key, by its name in tmux. */
  async press(key: string): Promise<void> {
    await run("tmux", ["-S", this.#socket, "send-keys", key]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await new Deno.Command("tmux", {
      args: ["-S", this.#socket, "list-panes", "-F", "#{pane_pid}"],
      stderr: "null",
    }).output();
    const pid = Number(new TextDecoder().decode(stdout));
    await new Deno.Command("tmux", {
      args: ["-S", this.#socket, "kill-server"],
      stderr: "null",
    }).output();
    await this.#stage.status;
    // The agent still writes to its folder.
    await until(
      "the agent to end",
      () => /[ZX]/.test(processEntry(pid)?.state ?? "X"),
    );
  }
}
