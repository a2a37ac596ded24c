/**
 * The story of a real agent beside another session, Ada.
 *
 * Ada holds three files exclusively. The third does not exist.
 *
 * | step | the model | before the step |
 * | --- | --- | --- |
 * | 0 | reads the first file | |
 * | 1 | edits it | its session is on the bus |
 * | 2 | edits it again | the edit was denied; Ada releases it and sends a message |
 * | 3 | writes the second by a shell command | the edit succeeded |
 * | 4 | creates the third | the command was denied |
 * | 5 | ends | the creation was denied |
 *
 * Then Ada sends another message, and the agent resumes the session (step 6).
 * Its prompt delivers the message.
 *
 * At last `mbus` is removed, and a new run of the same story is denied nothing,
 * because a missing program must not stop an agent.
 *
 * The story records the results. The test judges them at the end.
 *
 * @module
 */

import type { Delivery, Lock, MessageBus, Session } from "../../../mod.ts";
import { until } from "../../fixture.ts";
import { type AgentEnd, AgentRun, isWithin } from "./agent_run.ts";
import { type Loopback, startLoopback } from "./loopback.ts";
import type { ScriptedTurn } from "./model_server.ts";
import type { Program, ProgramName } from "./program.ts";
import type { Turn } from "./wire.ts";
import { readIfThere, Workplace } from "./workplace.ts";

/** The session of Ada. */
export const HOLDER = "ada-at-work";
/** The reason of Ada's locks. */
export const WHY = "moving the parser";
/** Ada's message while the agent works. */
export const MESSAGE = "The parser lives in parse.ts now.";
/** Ada's message before the agent resumes. */
export const SECOND_MESSAGE = "The tests are green again.";
/** The first prompt. */
export const PROMPT = "Change one to two, please.";
/** The prompt of the resumed session. */
export const SECOND_PROMPT = "Is all well?";
/** The text of both files before any edit. */
export const BEFORE = "one\n";

/** The commands and tool calls of one agent. */
export interface AgentStory {
  readonly name: ProgramName;
  /** Writes the agent's configuration, without hooks. */
  configure(place: Workplace, url: string): Promise<void>;
  /** Returns the agent's environment variables. */
  env(url: string): Readonly<Record<string, string>>;
  /** Returns the command for a prompt in a new session. */
  start(prompt: string): readonly string[];
  /** Returns the command for a prompt in the last session. */
  resume(prompt: string): readonly string[];
  /** Returns the call that reads a file. */
  read(path: string): Turn;
  /**
   * Returns the call that replaces a text of a file (default: "one" by "two").
   */
  edit(path: string, from?: string, to?: string): Turn;
  /** Returns the call that creates a file with the text "two". */
  create(path: string): Turn;
  /** Returns the call of a shell command. */
  shell(command: string): Turn;
  /**
   * Whether its model gets pending messages after a tool, or only with a
   * prompt.
   * @default {true}
   */
  readonly readsAfterTool?: boolean;
  /**
   * Whether a hook ends the session, or the death of its process.
   * @default {true}
   */
  readonly endsByHook?: boolean;
}

/** The recorded results of a story. */
export interface StoryResult {
  /** The model, with all requests. */
  readonly loopback: Loopback;
  /** The agent's session before the first edit. */
  readonly session: Session;
  /** Whether the session's process belonged to the run. */
  readonly isOwnProcess: boolean;
  /** The agent's session at the end of the first run. */
  readonly sessionLater: Session;
  /** The first file at steps 2 and 3. */
  readonly edited: readonly string[];
  /** The second file at step 4. */
  readonly written: string;
  /** The third file at step 5; empty if it is missing. */
  readonly created: string;
  /** The delivery of the first message at step 3. */
  readonly firstDelivery: Delivery | undefined;
  /** The delivery of the second message at the end. */
  readonly secondDelivery: Delivery | undefined;
  /** The session in the second run. */
  readonly resumed: Session;
  /** The second and the third file after the run without `mbus`. */
  readonly unguarded: readonly string[];
  /** The ends of the runs. */
  readonly ends: readonly AgentEnd[];
  /** The hooks' log. */
  readonly hookErrors: string;
}

/** Runs the story of an agent. */
export async function recordStory(
  story: AgentStory,
  program: Program,
): Promise<StoryResult> {
  await using place = await Workplace.make();
  const run = new StoryRun(story, place, await place.openBus(HOLDER));
  await using _server = run.loopback.server;
  return await run.run(program);
}

/** The results so far. */
type Results = { -readonly [K in keyof StoryResult]?: StoryResult[K] };

class StoryRun {
  readonly loopback: Loopback;
  readonly #story: AgentStory;
  readonly #place: Workplace;
  readonly #ada: MessageBus;
  readonly #files: readonly [string, string, string];
  readonly #results: Results = {};
  readonly #ends: AgentEnd[] = [];
  #held: Lock | undefined;
  #run: AgentRun | undefined;

  constructor(story: AgentStory, place: Workplace, ada: MessageBus) {
    this.#story = story;
    this.#place = place;
    this.#ada = ada;
    const { project } = place;
    this.#files = [`${project}/a.md`, `${project}/b.md`, `${project}/c.md`];
    this.loopback = startLoopback(this.#script(), place.root);
  }

  async run(program: Program): Promise<StoryResult> {
    const story = this.#story;
    await story.configure(this.#place, this.loopback.url);
    await this.#place.installHooks(story.name);
    const [first, second, third] = this.#files;
    await Deno.writeTextFile(first, BEFORE);
    await Deno.writeTextFile(second, BEFORE);
    this.#held = await this.#hold(first);
    await this.#hold(second);
    await this.#hold(third);

    await this.#start(program, story.start(PROMPT));
    const session = this.#results.session;
    if (session === undefined) throw this.#failure("The story did not start.");
    await this.#untilEnded(session);
    const { id } = await this.#write(session, SECOND_MESSAGE);
    await this.#start(program, story.resume(SECOND_PROMPT));
    this.#results.secondDelivery = await this.#ada.delivery(id);

    await this.#place.removeCommand();
    await this.#start(program, story.start(PROMPT));
    this.#results.unguarded = [
      await Deno.readTextFile(second),
      await readIfThere(third) ?? "",
    ];
    return this.#all();
  }

  async #untilEnded({ id }: Session): Promise<void> {
    const { endsByHook = true } = this.#story;
    await until("the session to end", async () => {
      if (!endsByHook) await this.#ada.purge();
      const sessions = await this.#ada.sessions.list();
      return !sessions.some((session) => session.id === id);
    });
  }

  #script(): ScriptedTurn[] {
    const { read, edit, shell, create } = this.#story;
    const [first, second, third] = this.#files;
    return [
      { turn: read(first) },
      { turn: edit(first), before: () => this.#recordSession() },
      { turn: edit(first), before: () => this.#releaseFirst() },
      { turn: shell(`echo two > ${second}`), before: () => this.#recordEdit() },
      { turn: create(third), before: () => this.#recordWrite() },
      { turn: { say: "I am done." }, before: () => this.#recordCreation() },
      { turn: { say: "All is well." }, before: () => this.#recordResumed() },
    ];
  }

  async #recordSession(): Promise<void> {
    const session = await this.#sessionNow();
    this.#results.session = session;
    this.#results.isOwnProcess = session.pid !== undefined &&
      this.#run !== undefined && await isWithin(session.pid, this.#run.pid);
  }

  async #releaseFirst(): Promise<void> {
    const { session } = this.#results;
    this.#results.edited = [await Deno.readTextFile(this.#files[0])];
    await this.#held?.release();
    if (session === undefined) throw new Error("The agent has no session.");
    this.#results.firstDelivery = await this.#ada.delivery(
      (await this.#write(session, MESSAGE)).id,
    );
  }

  async #recordEdit(): Promise<void> {
    const { edited = [], firstDelivery } = this.#results;
    this.#results.edited = [
      ...edited,
      await Deno.readTextFile(this.#files[0]),
    ];
    if (firstDelivery === undefined) {
      throw new Error("Ada has sent no message.");
    }
    this.#results.firstDelivery = await this.#ada.delivery(firstDelivery.id);
  }

  async #recordWrite(): Promise<void> {
    this.#results.written = await Deno.readTextFile(this.#files[1]);
  }

  async #recordCreation(): Promise<void> {
    this.#results.created = await readIfThere(this.#files[2]) ?? "";
    this.#results.sessionLater = await this.#sessionNow();
  }

  async #recordResumed(): Promise<void> {
    this.#results.resumed = await this.#sessionNow();
  }

  /** Returns the only session besides Ada's. */
  async #sessionNow(): Promise<Session> {
    const sessions = await this.#ada.sessions.list();
    const others = sessions.filter(({ id }) => id !== HOLDER);
    if (others.length === 1) return others[0];
    throw new Error(`There are ${others.length} sessions besides Ada's.`);
  }

  async #hold(file: string): Promise<Lock> {
    return await this.#ada.locks.acquire(file, { type: "exclusive", why: WHY });
  }

  async #write(to: Session, text: string): Promise<{ readonly id: string }> {
    return await this.#ada.publish("chat", text, { to: to.id });
  }

  async #start(program: Program, command: readonly string[]): Promise<void> {
    const { prefix, env, url } = this.loopback;
    this.#run = new AgentRun({
      command: [...prefix, ...command],
      cwd: this.#place.project,
      env: {
        ...this.#place.env([program.commands, program.nodeCommands]),
        ...env,
        ...this.#story.env(url),
      },
    });
    this.#ends.push(await this.#run.ended);
  }

  async #all(): Promise<StoryResult> {
    this.#results.loopback = this.loopback;
    this.#results.ends = this.#ends;
    this.#results.hookErrors = await this.#place.hookErrors();
    const { failures } = this.loopback.server;
    if (failures.length > 0 || !isWhole(this.#results)) {
      throw this.#failure("The story is incomplete.");
    }
    return this.#results;
  }

  #failure(what: string): Error {
    const { server } = this.loopback;
    const steps = server.requests.map(({ step }) => step).join(" ");
    const ends = this.#ends.map(({ code, output }) =>
      `exit code ${code}\n${output}`
    );
    return new Error(
      [
        what,
        `Steps: ${steps}`,
        `Requests: ${server.paths.join(", ")}`,
        `Failures: ${server.failures.join("\n")}`,
        ...ends,
      ].join("\n"),
    );
  }
}

const ALL: readonly (keyof StoryResult)[] = [
  "loopback",
  "session",
  "isOwnProcess",
  "sessionLater",
  "edited",
  "written",
  "created",
  "firstDelivery",
  "secondDelivery",
  "resumed",
  "unguarded",
  "ends",
  "hookErrors",
];

function isWhole(seen: Results): seen is StoryResult {
  return ALL.every((key) => seen[key] !== undefined);
}
