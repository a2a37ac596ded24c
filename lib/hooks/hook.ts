/**
 * `mbus hook AGENT`: what an agent runs at points of its work.
 *
 * ```text
 *  stdin ─▶ parse ─▶ on the bus ─▶ decide ─▶ render ─▶ stdout ─▶ mark as told
 *              └── trouble anywhere ─▶ log ─▶ the neutral answer
 * ```
 *
 * What it keeps true:
 *
 * - **It never fails an agent.** Whatever goes wrong inside, the tool proceeds,
 *   the answer is in the agent's form, the exit code is 0, and the log, which
 *   `mbus doctor` shows, says what happened.
 * - **It never holds an agent up**: it answers as soon as the input's JSON is
 *   complete, waits a second for more of it, and 200 ms in all for a busy
 *   database, and then lets the tool go on.
 * - **Nothing is marked as told before the answer was written.**
 * - **No prompt and no file's content is stored or logged.**
 *
 * It runs on every tool call of every agent, so everything it imports uses
 * `Deno.*`, `node:sqlite` and the language only, and what goes beyond the quick
 * answer is loaded only when it is called for.
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

/** How to answer a hook. */
export interface HookOptions {
  /** The bus folder, if not the default one. */
  readonly home?: string;
  /** The event's name, for agents whose input does not tell it. */
  readonly event?: string;
  /**
   * Whether the process ends right after: then the store is left open, as
   * closing it may wait for the disk.
   * @default {false}
   */
  readonly ends?: boolean;
}

/** Answers one call of a hook on standard output; never throws. */
export function respondToHook(
  name: AgentName,
  options: HookOptions = {},
): Promise<void> {
  return respondToInput(name, {
    read: readInput,
    write: (text) => writeAll(Deno.stdout, text),
  }, options);
}

/** Where an input comes from and where its answer goes. */
export interface HookPipes {
  /** Reads what the agent says: the text of one JSON value. */
  read(): string | Promise<string>;
  /** Writes the answer; throws if it is not taken. */
  write(text: string): void;
}

/** Answers one call of a hook; never throws. */
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
      // Nothing to do on the bus, or nobody to do it for.
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
 * The thread of Codex that calls, if it runs below its shared daemon: then what
 * the environment says is put right first.
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
    // The parser's own words quote the text, which may be somebody's prompt.
    throw new SyntaxError(
      `Cannot read the hook's input: it is no JSON (${text.length} characters).`,
    );
  }
}

/** Writes a text whole; throws if it is not taken. */
export function writeAll(
  to: { writeSync(bytes: Uint8Array): number },
  text: string,
): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
}
