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
 * - **It never holds an agent up**: it waits for a busy database for 200 ms in
 *   all, and then lets the tool go on.
 * - **Nothing is marked as told before the answer was written.**
 * - **No prompt and no file's content is stored or logged.**
 *
 * It runs on every tool call of every agent, so everything it imports uses
 * `Deno.*`, `node:sqlite` and the language only, and each agent's contract is
 * loaded only when it is called.
 *
 * @module
 */

import { nearestAgent } from "../host.ts";
import { openStore } from "../open_store.ts";
import { resolveOptions } from "../options.ts";
import { processEntry } from "../processes.ts";
import { projectOf } from "../project.ts";
import type { Session } from "../sessions.ts";
import type { Store } from "../store.ts";
import type { Agent, AgentName, HookEvent } from "./agent.ts";
import { ALLOW } from "./case.ts";
import { decide } from "./decide.ts";
import { hostOf } from "./host.ts";
import { HookLog } from "./hook_log.ts";
import { readPolicy } from "./policy.ts";
import { loadAgent } from "./roster.ts";

// The largest input that is read; what an agent sends beyond is left unread.
const INPUT_BYTES_MAX = 16 * 1024 * 1024;

const BUSY_TOTAL_MS = 200;

/** How to answer a hook. */
export interface HookOptions {
  /** The bus folder, if not the default one. */
  readonly home?: string;
  /** The event's name, for agents whose input does not tell it. */
  readonly event?: string;
}

/** Answers one call of a hook on standard output; never throws. */
export async function answerHook(
  name: AgentName,
  options: HookOptions = {},
): Promise<void> {
  const log = new HookLog(options.home, name);
  let agent = await loadAgent(name);
  let written = false;
  const write = (output: string) => {
    written = true;
    writeAll(output === "" ? "" : `${output}\n`);
  };
  try {
    const input: unknown = JSON.parse(readInput());
    const caller = hostOf(input) ?? name;
    if (caller !== name) agent = await loadAgent(caller);
    const event = agent.parse(input, (key) => Deno.env.get(key), options.event);
    await answer(agent, event, options, log, write);
  } catch (error) {
    log.add(error);
    if (!written) write(agent.neutral);
  }
}

async function answer(
  agent: Agent,
  event: HookEvent,
  options: HookOptions,
  log: HookLog,
  write: (output: string) => void,
): Promise<void> {
  // Nothing to do on the bus, or nobody to do it for.
  if (event.kind === "other" || event.sessionId === "") {
    write(agent.render(event, ALLOW.decision).output);
    return;
  }
  const store = await openStore(resolveOptions({
    home: options.home,
    busyTimeoutMs: BUSY_TOTAL_MS,
    busyTotalMs: BUSY_TOTAL_MS,
    warn: (message) => log.add(message),
  }));
  try {
    const session = await register(agent, event, store);
    const verdict = await decide({
      event,
      session,
      store,
      policy: readPolicy(session.worktree, (message) => log.add(message)),
      nowMs: Date.now(),
      log: (message) => log.add(message),
    });
    const { output, carried } = agent.render(event, verdict.decision);
    write(output);
    await verdict.told(carried);
  } finally {
    await store.close();
  }
}

/** Puts the session on the bus, or gives it its sign of life. */
async function register(
  agent: Agent,
  event: HookEvent,
  store: Store,
): Promise<Session> {
  const process = nearestAgent();
  // An agent that another agent started is not that one's process.
  const own = process?.vendor === agent.name ? process : undefined;
  const place = projectOf(event.cwd || Deno.cwd());
  return await store.registerSession({
    id: sessionId(event.sessionId),
    vendor: agent.name,
    model: event.model,
    tty: own === undefined ? undefined : processEntry(own.pid)?.tty,
    pid: own?.pid,
    processStart: own?.startTime,
    project: place.project,
    worktree: place.worktree,
    branch: place.branch,
  });
}

/** An agent's id in the letters that an id may have. */
function sessionId(id: string): string {
  return id.replace(/[^\p{L}\p{N}._\-/:~@+]/gu, "_").slice(0, 128);
}

function readInput(): string {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const chunk = new Uint8Array(64 * 1024);
    const read = Deno.stdin.readSync(chunk);
    if (read === null) break;
    size += read;
    if (size > INPUT_BYTES_MAX) {
      throw new RangeError(
        `Cannot read the hook's input: it is larger than ${INPUT_BYTES_MAX} bytes.`,
      );
    }
    chunks.push(chunk.subarray(0, read));
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return new TextDecoder().decode(bytes);
}

function writeAll(text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}
