/**
 * A real agent meets another session: the story that each of them is put
 * through.
 *
 * Ada holds three files exclusively; the third is not there yet.
 *
 * | step | the model | what has happened before it |
 * | --- | --- | --- |
 * | 0 | reads the first file | |
 * | 1 | edits it | its session is on the bus |
 * | 2 | edits it again | the edit was denied; Ada frees it and writes a letter |
 * | 3 | writes the second by a shell command | the edit was made |
 * | 4 | makes the third | the command was denied |
 * | 5 | is done | the third was not made |
 *
 * Then Ada writes another letter, the agent is started once more to go on with
 * the same session (step 6), and its prompt brings that letter.
 *
 * At last `mbus` is taken away, and the agent starts anew with the same story:
 * now nothing is denied, as a program that is missing must stop nobody.
 *
 * What was seen is written down on the way, and judged when all is over.
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

/** Who is met. */
export const HOLDER = "ada-at-work";
/** What Ada holds the files for. */
export const WHY = "moving the parser";
/** What Ada writes while the agent works. */
export const LETTER = "The parser lives in parse.ts now.";
/** What Ada writes before the agent goes on. */
export const SECOND_LETTER = "The tests are green again.";
/** What the agent's person says at first. */
export const PROMPT = "Change one to two, please.";
/** What the agent's person says when the agent goes on. */
export const SECOND_PROMPT = "Is all well?";
/** What is in both files before anybody edits them. */
export const BEFORE = "one\n";

/** How one agent is run, and what its tools are called. */
export interface AgentStory {
  /** Its name. */
  readonly name: ProgramName;
  /** Writes the configuration that it needs besides our hooks. */
  configure(place: Workplace, url: string): Promise<void>;
  /** The variables that it needs. */
  env(url: string): Readonly<Record<string, string>>;
  /** Its command for a prompt. */
  start(prompt: string): readonly string[];
  /** Its command for one more prompt in the session before. */
  goOn(prompt: string): readonly string[];
  /** The call that reads a file. */
  read(path: string): Turn;
  /** The call that changes a text of a file, by default "one" to "two". */
  edit(path: string, from?: string, to?: string): Turn;
  /** The call that makes a file, with "two" in it. */
  create(path: string): Turn;
  /** The call of a shell command. */
  shell(command: string): Turn;
  /**
   * Whether its model is shown what peers wrote once a tool has run; else only
   * with a prompt.
   * @default {true}
   */
  readonly readsAfterTool?: boolean;
  /**
   * Whether a hook tells that the session ends; else its process is found dead.
   * @default {true}
   */
  readonly tellsItsEnd?: boolean;
}

/** What a run has shown. */
export interface Encounter {
  /** The way to the model, with all that it was told. */
  readonly loopback: Loopback;
  /** The agent's session, as it was before the first edit. */
  readonly session: Session;
  /** Whether its process was among those of the run. */
  readonly isOwnProcess: boolean;
  /** The same session in the end of the first run. */
  readonly sessionLater: Session;
  /** The first file at steps 2 and 3. */
  readonly edited: readonly string[];
  /** The second file at step 4. */
  readonly written: string;
  /** The third file at step 5, if it was there. */
  readonly made: string;
  /** How far the first letter had come at step 3. */
  readonly letter: Delivery | undefined;
  /** How far the second letter had come in the end. */
  readonly secondLetter: Delivery | undefined;
  /** The session as the second run had it. */
  readonly resumed: Session;
  /** The second and the third file after the run without `mbus`. */
  readonly unguarded: readonly string[];
  /** How the runs ended. */
  readonly ends: readonly AgentEnd[];
  /** What the hooks noted as gone wrong. */
  readonly troubles: string;
}

/** Lets an agent meet Ada. */
export async function meet(
  story: AgentStory,
  program: Program,
): Promise<Encounter> {
  await using place = await Workplace.make();
  const teller = new Teller(story, place, await place.openBus(HOLDER));
  await using _server = teller.loopback.server;
  return await teller.tell(program);
}

/** What is seen is filled in by and by. */
type Seen = { -readonly [K in keyof Encounter]?: Encounter[K] };

class Teller {
  readonly loopback: Loopback;
  readonly #story: AgentStory;
  readonly #place: Workplace;
  readonly #ada: MessageBus;
  readonly #files: readonly [string, string, string];
  readonly #seen: Seen = {};
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

  async tell(program: Program): Promise<Encounter> {
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
    const session = this.#seen.session;
    if (session === undefined) throw this.#failure("The story never began.");
    await this.#untilOver(session);
    const { id } = await this.#write(session, SECOND_LETTER);
    await this.#start(program, story.goOn(SECOND_PROMPT));
    this.#seen.secondLetter = await this.#ada.delivery(id);

    await this.#place.removeCommand();
    await this.#start(program, story.start(PROMPT));
    this.#seen.unguarded = [
      await Deno.readTextFile(second),
      await readIfThere(third) ?? "",
    ];
    return this.#all();
  }

  async #untilOver({ id }: Session): Promise<void> {
    const { tellsItsEnd = true } = this.#story;
    await until("the session is over", async () => {
      if (!tellsItsEnd) await this.#ada.purge();
      const sessions = await this.#ada.sessions.list();
      return !sessions.some((session) => session.id === id);
    });
  }

  #script(): ScriptedTurn[] {
    const { read, edit, shell, create } = this.#story;
    const [first, second, third] = this.#files;
    return [
      { turn: read(first) },
      { turn: edit(first), before: () => this.#lookWho() },
      { turn: edit(first), before: () => this.#free() },
      { turn: shell(`echo two > ${second}`), before: () => this.#lookMade() },
      { turn: create(third), before: () => this.#lookWritten() },
      { turn: { say: "I am done." }, before: () => this.#lookLast() },
      { turn: { say: "All is well." }, before: () => this.#lookAgain() },
    ];
  }

  async #lookWho(): Promise<void> {
    const session = await this.#sessionNow();
    this.#seen.session = session;
    this.#seen.isOwnProcess = session.pid !== undefined &&
      this.#run !== undefined && await isWithin(session.pid, this.#run.pid);
  }

  async #free(): Promise<void> {
    const { session } = this.#seen;
    this.#seen.edited = [await Deno.readTextFile(this.#files[0])];
    await this.#held?.release();
    if (session === undefined) throw new Error("There is no session.");
    this.#seen.letter = await this.#ada.delivery(
      (await this.#write(session, LETTER)).id,
    );
  }

  async #lookMade(): Promise<void> {
    const { edited = [], letter } = this.#seen;
    this.#seen.edited = [
      ...edited,
      await Deno.readTextFile(this.#files[0]),
    ];
    if (letter === undefined) throw new Error("There is no letter.");
    this.#seen.letter = await this.#ada.delivery(letter.id);
  }

  async #lookWritten(): Promise<void> {
    this.#seen.written = await Deno.readTextFile(this.#files[1]);
  }

  async #lookLast(): Promise<void> {
    this.#seen.made = await readIfThere(this.#files[2]) ?? "";
    this.#seen.sessionLater = await this.#sessionNow();
  }

  async #lookAgain(): Promise<void> {
    this.#seen.resumed = await this.#sessionNow();
  }

  /** The one session here that is not Ada's. */
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

  async #all(): Promise<Encounter> {
    this.#seen.loopback = this.loopback;
    this.#seen.ends = this.#ends;
    this.#seen.troubles = await this.#place.hookTroubles();
    const { failures } = this.loopback.server;
    if (failures.length > 0 || !isWhole(this.#seen)) {
      throw this.#failure("The story broke off.");
    }
    return this.#seen;
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

const ALL: readonly (keyof Encounter)[] = [
  "loopback",
  "session",
  "isOwnProcess",
  "sessionLater",
  "edited",
  "written",
  "made",
  "letter",
  "secondLetter",
  "resumed",
  "unguarded",
  "ends",
  "troubles",
];

function isWhole(seen: Seen): seen is Encounter {
  return ALL.every((key) => seen[key] !== undefined);
}
