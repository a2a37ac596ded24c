/**
 * `mbus hook AGENT`: the program that an agent starts at points of its work.
 *
 * ```text
 *  stdin ─▶ parse ─▶ on the bus ─▶ decide ─▶ render ─▶ stdout ─▶ mark as told
 *              └── trouble anywhere ─▶ log ─▶ the neutral response
 * ```
 *
 * Invariants:
 *
 * - **A hook never fails its agent.** After an internal error the tool proceeds,
 *   the response has the agent's form, and the exit code is 0. The error is in
 *   the log, which `mbus doctor` shows.
 * - **A hook never blocks its agent.** It responds once the input's JSON is
 *   complete. It waits 1 s for further input, and 200 ms in all for a busy
 *   database or for a server. Then it lets the tool proceed.
 * - **Nothing is marked as told before the response is written.**
 * - **No prompt and no file's content is stored or logged.**
 *
 * A hook runs on every tool call. So this file and its imports use `Deno.*`,
 * `node:sqlite` and the language only, and the slow path is loaded on demand.
 *
 * @module
 */

import { withNamedSession } from "./named_session.ts";
import type { AgentName, Decision, HookEvent } from "./agents/agent.ts";
import type { BelowDaemon } from "./codex_daemon.ts";
import { readInput } from "./hook_input.ts";
import { HookLog } from "./hook_log.ts";
import { codexHomeOf, hasDaemon } from "./agents/codex.ts";
import { callingAgent } from "./agents/detect_caller.ts";
import { tryFastPath } from "./fast_path.ts";
import { AGENTS } from "./agents/agents.ts";

const ALLOW: Decision = { verdict: "allow" };

/** Options of a hook. */
export interface HookOptions {
  /** The bus folder, if not the default one. */
  readonly home?: string;
  /** The event's name, for agents whose input does not contain it. */
  readonly event?: string;
  /**
   * Whether the process ends after the response. If so, the store stays open,
   * because closing it may wait for the disk.
   * @default {false}
   */
  readonly ends?: boolean;
}

/** Responds to one call of a hook on standard output; never throws. */
export function respondToHook(
  name: AgentName,
  options: HookOptions = {},
): Promise<void> {
  return respondToInput(name, {
    read: readInput,
    write: (text) => writeAll(Deno.stdout, text),
  }, options);
}

/** Input and output of a hook. */
export interface HookPipes {
  /** Reads the agent's input: the text of one JSON value. */
  read(): string | Promise<string>;
  /** Writes the response; throws if it is not accepted. */
  write(text: string): void;
}

/** Responds to one call of a hook; never throws. */
export async function respondToInput(
  name: AgentName,
  pipes: HookPipes,
  options: HookOptions = {},
): Promise<void> {
  const log = new HookLog(options.home, name);
  let agent = AGENTS[name];
  let written = false;
  const write = (output: string) => {
    written = true;
    if (output !== "") pipes.write(`${output}\n`);
  };
  try {
    const input = parsed(await pipes.read());
    const caller = callingAgent(input) ?? name;
    if (caller !== name) agent = AGENTS[caller];
    const told = agent.parse(input, (key) => Deno.env.get(key), options.event);
    if (told.kind === "other" || told.sessionId === "") {
      // Nothing to do on the bus, or no session to do it for.
      write(agent.render(told, ALLOW).output);
      return;
    }
    const below = await belowDaemonOf(told, input);
    const event = withNamedSession(told);
    const { home, ends = false } = options;
    const { goesOn, bus } = tryFastPath(
      event,
      home,
      Date.now(),
      below?.process,
    );
    if (goesOn) {
      write(agent.render(event, ALLOW).output);
      bus?.leave(ends);
      return;
    }
    const { respondToCall } = await import("./slow_path.ts");
    await respondToCall({
      agent,
      event,
      below,
      wiring: name,
      home,
      db: bus?.db,
      ends,
      log,
      write,
    });
  } catch (error) {
    log.add(error);
    if (written) return;
    try {
      write(agent.neutral);
    } catch (error) {
      log.add(error);
    }
  }
}

/**
 * Returns the calling thread of Codex, if it runs below the shared daemon. The
 * environment then gets the variables of the thread's window.
 */
export async function belowDaemonOf(
  event: HookEvent,
  input: unknown,
): Promise<BelowDaemon | undefined> {
  if (event.agent !== "codex") return undefined;
  const home = codexHomeOf(input);
  if (home === undefined || !hasDaemon(home)) return undefined;
  const { belowDaemon } = await import("./codex_daemon.ts");
  const look = event.kind === "session-start"
    ? "always"
    : event.kind === "prompt"
    ? "if-gone"
    : "never";
  return await belowDaemon(home, event.sessionId, look);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which may be a prompt.
    throw new SyntaxError(
      `Cannot read the hook's input: it is not JSON (${text.length} characters).`,
    );
  }
}

/** Writes a whole text; throws if it is not accepted. */
export function writeAll(
  to: { writeSync(bytes: Uint8Array): number },
  text: string,
): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
}
