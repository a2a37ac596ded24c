/**
 * Claude Code's hooks in this process, on a bus and a disk of their own, in real
 * time: the texts that each session of a machine is told.
 *
 * @module
 */

import assert from "node:assert/strict";
import { respondToInput } from "../../lib/hooks/hook.ts";
import { lockTarget } from "../../lib/path/lock_target.ts";
import type { Hold } from "../../lib/model/lock.ts";
import { openOperations } from "../../lib/store/open.ts";
import { resolveOptions } from "../../lib/bus/options.ts";
import type { Operations } from "../../lib/bus/operations.ts";

/** One call of a hook. */
export interface ToldCall {
  /** The event, such as `PreToolUse`. */
  readonly event: string;
  /** The tool. */
  readonly tool?: string;
  /** The tool's input. */
  readonly input?: Readonly<Record<string, unknown>>;
  /** The agent's id of the call. */
  readonly callId?: string;
  /** The calling subagent. */
  readonly agentId?: string;
  /** The folder, below the root. */
  readonly cwd?: string;
}

/** The response of a hook. */
export interface Told {
  /** Reason of a denial; empty without one. */
  readonly reason: string;
  /** Further text for the model. */
  readonly context: string;
}

/** A machine: a bus, and a folder with a repository `r` in it. */
export class Machine implements AsyncDisposable {
  /** The folder, which is not in a repository. */
  readonly root: string;
  /** The bus folder. */
  readonly home: string;

  constructor() {
    this.root = Deno.realPathSync(
      Deno.makeTempDirSync({ prefix: "mbus-machine-" }),
    );
    this.home = `${this.root}/bus`;
    this.repository("r");
  }

  /** Makes a repository below the root. */
  repository(name: string): string {
    const folder = `${this.root}/${name}`;
    Deno.mkdirSync(`${folder}/.git`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/.git/HEAD`, "ref: refs/heads/x\n");
    return folder;
  }

  /** Returns the absolute path of a name below the root. */
  path(name: string): string {
    return `${this.root}/${name}`;
  }

  /** Writes a file below the root. */
  write(name: string, text: string): string {
    const path = this.path(name);
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text);
    return path;
  }

  /** Responds to a call of a session. */
  async call(session: string, call: ToldCall): Promise<Told> {
    const { event, tool, input, callId, agentId, cwd = "r" } = call;
    const text = JSON.stringify({
      session_id: session,
      hook_event_name: event,
      cwd: this.path(cwd),
      ...(agentId !== undefined && { agent_id: agentId }),
      ...(event === "SessionStart" && { source: "startup" }),
      ...(event === "UserPromptSubmit" && { prompt: "do it" }),
      ...(tool !== undefined && { tool_name: tool, tool_input: input ?? {} }),
      ...(callId !== undefined && { tool_use_id: callId }),
    });
    let output = "";
    await respondToInput("claude", {
      read: () => text,
      write: (part) => void (output += part),
    }, { home: this.home });
    const said = output.trim() === ""
      ? {}
      : JSON.parse(output).hookSpecificOutput;
    return {
      reason: said.permissionDecisionReason ?? "",
      context: said.additionalContext ?? "",
    };
  }

  /** Starts a session. */
  async start(session: string, cwd?: string): Promise<Told> {
    return await this.call(session, { event: "SessionStart", cwd });
  }

  /** Gives a session a prompt. */
  async prompt(session: string, cwd?: string): Promise<string> {
    const call = { event: "UserPromptSubmit", cwd };
    return (await this.call(session, call)).context;
  }

  /** Runs the hooks before and after one tool call. */
  tool(
    session: string,
    tool: string,
    input: Readonly<Record<string, unknown>>,
    more: Omit<ToldCall, "event" | "tool" | "input"> = {},
  ): { before(): Promise<Told>; after(): Promise<Told> } {
    const callId = crypto.randomUUID();
    const at = (event: string) =>
      this.call(session, { event, tool, input, callId, ...more });
    return { before: () => at("PreToolUse"), after: () => at("PostToolUse") };
  }

  /** Runs the hooks before and after one shell command. */
  shell(
    session: string,
    command: string,
    more: Parameters<Machine["tool"]>[3] = {},
  ): ReturnType<Machine["tool"]> {
    return this.tool(session, "Bash", { command }, more);
  }

  /** Edits a file with its hooks, unless the edit is denied. */
  async edit(
    session: string,
    name: string,
    text: string,
    more: Parameters<Machine["tool"]>[3] = {},
  ): Promise<Told> {
    const edit = this.tool(session, "Edit", {
      file_path: this.path(name),
    }, more);
    const told = await edit.before();
    if (told.reason !== "") return told;
    this.write(name, text);
    const after = await edit.after();
    return { reason: "", context: told.context + after.context };
  }

  /** Locks a path for a session, as `mbus lock` does. */
  async lock(
    session: string,
    name: string,
    type: "advisory" | "exclusive" = "exclusive",
  ): Promise<Hold> {
    await using store = await this.store();
    const outcome = await store.acquireLock({
      session,
      agent: "",
      target: lockTarget(name, this.root),
      type,
      leaseMs: 60 * 60 * 1000,
      takeOver: false,
      wait: false,
      actingFor: [],
    });
    assert.ok(outcome.state === "held", JSON.stringify(outcome));
    return outcome.hold;
  }

  /** Returns the messages about conflicts, in every project. */
  async conflicts(): Promise<Record<string, unknown>[]> {
    await using store = await this.store();
    const { messages } = await store.read(
      { channels: ["file_conflict"], project: null, session: null },
      store.startCursor,
      1_000,
    );
    return messages.map(({ payload }) => payload as Record<string, unknown>);
  }

  /** Opens its store. */
  async store(): Promise<Operations & AsyncDisposable> {
    const store = await openOperations(resolveOptions({ home: this.home }));
    return Object.assign(store, {
      [Symbol.asyncDispose]: () => store.close(),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    Deno.removeSync(this.root, { recursive: true });
    return Promise.resolve();
  }
}
