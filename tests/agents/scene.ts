/**
 * A project, a bus with a stopped clock, and calls of hooks that are decided on it:
 * for tests of the rules, without processes.
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  AgentName,
  Carried,
  Decision,
  HookEvent,
  ToolKind,
} from "../../lib/hooks/agents/agent.ts";
import type { HookContext } from "../../lib/hooks/hook_context.ts";
import { decide } from "../../lib/hooks/decide.ts";
import { DEFAULT_POLICY, type Policy } from "../../lib/hooks/policy.ts";
import { openOperations } from "../../lib/store/open.ts";
import { resolveOptions } from "../../lib/bus/options.ts";
import { projectOf } from "../../lib/path/project.ts";
import type { Hold } from "../../lib/model/lock.ts";
import type { Session } from "../../lib/model/session.ts";
import type { Message } from "../../lib/model/message.ts";
import type { Operations } from "../../lib/bus/operations.ts";
import { Clock } from "../fixture.ts";

/** Options of a call. */
export interface CallOptions {
  /** The agent's id of the call. */
  readonly callId?: string;
  /** The calling subagent. */
  readonly agentId?: string;
  /** The agent whose settings wire the hook. */
  readonly wiring?: AgentName;
  /** Sessions whose locks never conflict. */
  readonly actingFor?: readonly string[];
  /** The settings. */
  readonly policy?: Partial<Policy>;
  /** The name of the shell tool. */
  readonly shell?: string;
  /** The folder that a shell tool's call names. */
  readonly folder?: string;
  /** Whether the tool succeeded. */
  readonly succeeded?: boolean;
  /** Whether the response is written, and its notes, too. */
  readonly told?: boolean;
  /** Whether the agent shows its model text here. */
  readonly tells?: boolean;
}

/** One project and the sessions that work in it. */
export class Scene implements AsyncDisposable {
  /** The project's folder. */
  readonly project: string;
  /** The clock. */
  readonly clock: Clock = new Clock();
  /** The bus. */
  readonly store: Operations;
  /** The logged messages. */
  readonly logged: string[] = [];
  readonly #root: string;

  private constructor(root: string, store: Operations, clock: Clock) {
    this.#root = root;
    this.project = `${root}/project`;
    this.store = store;
    this.clock = clock;
  }

  /** Opens a scene. */
  static async open(): Promise<Scene> {
    const root = Deno.realPathSync(
      Deno.makeTempDirSync({ prefix: "mbus-scene-" }),
    );
    Deno.mkdirSync(`${root}/project/.git`, { recursive: true });
    Deno.writeTextFileSync(`${root}/project/.git/HEAD`, "ref: refs/heads/x\n");
    const clock = new Clock();
    const store = await openOperations(
      resolveOptions({ home: `${root}/bus`, now: clock.now }),
    );
    return new Scene(root, store, clock);
  }

  /** The bus's database file. */
  get databasePath(): string {
    return `${this.#root}/bus/db/messaging.db`;
  }

  /** Returns the absolute path of a file of the project. */
  path(name: string): string {
    return `${this.project}/${name}`;
  }

  /** Writes a file of the project, at the time of the clock. */
  write(name: string, text: string): string {
    const path = this.path(name);
    Deno.writeTextFileSync(path, text);
    Deno.utimeSync(path, this.clock.nowMs / 1000, this.clock.nowMs / 1000);
    return path;
  }

  /** Returns a session, registered if it is new. */
  async session(id: string): Promise<Session> {
    return await this.store.session(id) ??
      await this.store.registerSession({
        id,
        vendor: "claude",
        ...projectOf(this.project),
      });
  }

  /** Decides on a call. */
  async call(
    session: string,
    event:
      & Partial<HookEvent>
      & Pick<HookEvent, "kind">,
    options: CallOptions = {},
  ): Promise<Decision> {
    const { policy = {}, tells = true, told = true, agentId } = options;
    const hook: HookContext = {
      event: {
        agent: "claude",
        event: "",
        sessionId: session,
        cwd: this.project,
        ...(agentId !== undefined && { agentId }),
        ...event,
      } as HookEvent,
      session: await this.session(session),
      wiring: options.wiring ?? "claude",
      store: this.store,
      actingFor: options.actingFor ?? [],
      policy: () => ({ ...DEFAULT_POLICY, ...policy }),
      nowMs: this.clock.nowMs,
      tells: { context: tells, continueWith: tells },
      log: (message) => this.logged.push(message),
    };
    const result = await decide(hook);
    const carried: Carried = {
      reason: result.decision.verdict === "deny",
      context: tells,
      continueWith: tells,
    };
    if (told) await result.onDelivered(carried);
    return result.decision;
  }

  /** Decides before a tool with these paths. */
  async before(
    session: string,
    paths: readonly string[],
    options: CallOptions = {},
    kind: ToolKind = "edit",
  ): Promise<Decision> {
    const tool = { name: "T", kind, paths, callId: options.callId };
    return await this.call(session, { kind: "before-tool", tool }, options);
  }

  /** Decides after a tool with these paths. */
  async after(
    session: string,
    paths: readonly string[],
    options: CallOptions = {},
    kind: ToolKind = "edit",
  ): Promise<Decision> {
    const { succeeded } = options;
    const tool = { name: "T", kind, paths, callId: options.callId };
    return await this.call(
      session,
      { kind: "after-tool", tool, succeeded },
      options,
    );
  }

  /** Decides before a shell command. */
  async beforeShell(
    session: string,
    command: string,
    options: CallOptions = {},
  ): Promise<Decision> {
    const { callId, folder, shell: name = "S" } = options;
    const tool = { name, kind: "shell" as const, paths: [], command };
    return await this.call(
      session,
      { kind: "before-tool", tool: { ...tool, callId, folder } },
      options,
    );
  }

  /** Decides after a shell command. */
  async afterShell(
    session: string,
    command: string,
    options: CallOptions = {},
  ): Promise<Decision> {
    const { callId, folder, shell: name = "S" } = options;
    const tool = { name, kind: "shell" as const, paths: [], command };
    return await this.call(
      session,
      { kind: "after-tool", tool: { ...tool, callId, folder } },
      options,
    );
  }

  /** Holds a file for a session, as `mbus lock` does. */
  async hold(
    session: string,
    name: string,
    options: {
      readonly type?: "advisory" | "exclusive";
      readonly why?: string;
    } = {},
  ): Promise<Hold> {
    await this.session(session);
    const { lockTarget } = await import("../../lib/path/lock_target.ts");
    const outcome = await this.store.acquireLock({
      session,
      agent: "",
      target: lockTarget(name, this.project),
      type: options.type ?? "advisory",
      leaseMs: 60 * 60 * 1000,
      why: options.why,
      takeOver: false,
      wait: false,
      actingFor: [],
    });
    assert.ok(outcome.state === "held");
    return outcome.hold;
  }

  /** Returns the paths that a session holds. */
  async held(session: string): Promise<string[]> {
    const holds = await this.store.locks({ project: null, session });
    return holds.map(({ path }) => path.replace(`${this.project}/`, ""));
  }

  /** Returns the messages about conflicts. */
  async conflicts(): Promise<readonly Message[]> {
    const { messages } = await this.store.read(
      { channels: ["file_conflict"], project: null, session: null },
      this.store.startCursor,
      1_000,
    );
    return messages;
  }

  /** Returns the messages about conflicts as lines: event, sessions, file. */
  async events(): Promise<string[]> {
    return (await this.conflicts()).map(({ payload }) => {
      const { event, sessions, path } = payload as unknown as {
        readonly event: string;
        readonly sessions: readonly string[];
        readonly path: string;
      };
      return [event, ...sessions, path.replace(`${this.project}/`, "")]
        .join(" ");
    });
  }

  /** Sends a direct message. */
  async send(from: string, to: string, text: string): Promise<string> {
    await this.session(from);
    const [result] = await this.store.append([{
      sender: from,
      channel: "chat",
      payloadText: JSON.stringify(text),
      ttlSeconds: 300,
      project: null,
      to,
    }], { atomic: true });
    assert.ok("id" in result);
    return result.id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    Deno.removeSync(this.#root, { recursive: true });
  }
}

/** Returns the reason of a denial. */
export function reasonOf(decision: Decision): string {
  assert.equal(decision.verdict, "deny");
  return decision.verdict === "deny" ? decision.reason : "";
}

/** Returns the context of a decision that lets the agent go on. */
export function contextOf(decision: Decision): string {
  assert.equal(decision.verdict, "allow");
  return decision.context ?? "";
}
