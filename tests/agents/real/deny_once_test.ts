/**
 * Three real agents edit three files at the same time, ten times each. A hook
 * denies an edit at most once for each fact.
 *
 * In each round every agent edits one line of one file, and waits for the
 * others. After a denial its model reads the file and retries, as the denial
 * says. A model that read the file long ago is told of the changes since. A
 * model that reads the file first is told of the other editors.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { AgentRun } from "./agent_run.ts";
import { STORY as CLAUDE } from "./claude_story.ts";
import { STORY as CODEX } from "./codex_story.ts";
import type { AgentStory } from "./agent_story.ts";
import { STORY as GEMINI } from "./gemini_story.ts";
import { type Loopback, startLoopback } from "./loopback.ts";
import { findProgram, type Program } from "./program.ts";
import type { ModelRequest } from "./model_server.ts";
import type { Turn } from "./wire.ts";
import { Workplace } from "./workplace.ts";

const STORIES: readonly AgentStory[] = [CLAUDE, CODEX, GEMINI];
const ROUNDS = 10;
const TRIES_MAX = 4;
const RUN_MS_MAX = 300_000;
/** The instruction in a denial. */
const DENIED = /Read the file again; if your edit is still right/g;

/** A barrier for all agents, which opens after 30 s at the latest. */
class Barrier {
  readonly #of: number;
  #come = 0;
  #next: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(of: number) {
    this.#of = of;
  }

  async come(): Promise<void> {
    const { promise, resolve } = this.#next;
    if (++this.#come === this.#of) {
      this.#come = 0;
      this.#next = Promise.withResolvers();
      resolve();
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((done) => timer = setTimeout(done, 30_000));
    await Promise.race([promise, late]);
    clearTimeout(timer);
  }
}

/** Returns the line of an agent in a round, before or after its edit. */
function lineOf(name: string, round: number, text: "one" | "two"): string {
  return `${name} ${round}: ${text}`;
}

/** A model that makes ten edits. */
class Editor {
  denials = 0;
  edits = 0;
  readonly #story: AgentStory;
  readonly #files: readonly string[];
  readonly #at: number;
  readonly #barrier: Barrier;
  readonly #readsFirst: boolean;
  #reads = 0;
  #tries = 0;
  #told = 0;
  #hasTried = false;
  #isReading = false;

  constructor(
    story: AgentStory,
    files: readonly string[],
    at: number,
    barrier: Barrier,
    readsFirst: boolean,
  ) {
    this.#story = story;
    this.#files = files;
    this.#at = at;
    this.#barrier = barrier;
    this.#readsFirst = readsFirst;
  }

  async choose({ text }: ModelRequest): Promise<Turn> {
    if (this.#reads < this.#files.length) {
      return this.#story.read(this.#files[this.#reads++]);
    }
    const { name } = this.#story;
    const told = [...text.matchAll(DENIED)].length;
    this.denials += Math.max(0, told - this.#told);
    this.#told = told;
    if (this.#hasTried) {
      this.#hasTried = false;
      const made = lineOf(name, this.edits, "two");
      if (!Deno.readTextFileSync(this.#path()).includes(made)) {
        if (this.#tries > TRIES_MAX) {
          throw new Error(`Cannot edit: every try is denied.\n${text}`);
        }
        return this.#story.read(this.#path());
      }
      this.edits++;
      this.#tries = 0;
    }
    if (this.edits === ROUNDS) return { say: "I am done." };
    if (this.#tries === 0 && !this.#isReading) {
      await this.#barrier.come();
      if (this.#readsFirst) {
        this.#isReading = true;
        return this.#story.read(this.#path());
      }
    }
    this.#isReading = false;
    this.#tries++;
    this.#hasTried = true;
    return this.#story.edit(
      this.#path(),
      lineOf(name, this.edits, "one"),
      lineOf(name, this.edits, "two"),
    );
  }

  #path(): string {
    return this.#files[(this.#at + this.edits) % this.#files.length];
  }
}

const programs = new Map<AgentStory, Program>();
const missing: string[] = [];
for (const story of STORIES) {
  const program = await findProgram(story.name);
  if ("missing" in program) missing.push(program.missing);
  else programs.set(story, program);
}

for (const readsFirst of [false, true]) {
  Deno.test({
    name: "three real agents get at most one denial per fact for files " +
      (readsFirst ? "read before each edit" : "read at the start") +
      (missing.length === 0 ? "" : ` (${missing[0]})`),
    ignore: missing.length > 0,
    async fn() {
      await using place = await Workplace.make();
      const bus = await place.openBus("onlooker");
      const files = ["a.md", "b.md", "c.md"]
        .map((name) => `${place.project}/${name}`);
      for (const path of files) Deno.writeTextFileSync(path, content());
      const barrier = new Barrier(STORIES.length);
      await using stack = new AsyncDisposableStack();
      const runs = STORIES.map(async (story, at) => {
        const folder = `${place.root}/${story.name}`;
        Deno.mkdirSync(folder);
        const editor = new Editor(story, files, at, barrier, readsFirst);
        const loopback = startLoopback(
          (request) => editor.choose(request),
          folder,
        );
        stack.use(loopback.server);
        await story.configure(place, loopback.url);
        await place.installHooks(story.name);
        return { story, editor, loopback };
      });
      const ready = await Promise.all(runs);
      const ended = await Promise.all(ready.map(async (each) => {
        const end = await started(place, each.story, each.loopback).ended;
        return { ...each, end };
      }));
      for (const { end, loopback: { server } } of ended) {
        assert.deepEqual(server.failures, [], end.output);
        assert.equal(end.code, 0, end.output);
      }
      assert.equal(await place.hookErrors(), "");
      const { location } = await bus.stats();
      const told = factsTold(location);
      const edits = ended.reduce((sum, { editor }) => sum + editor.edits, 0);
      const denials = ended.reduce(
        (sum, { editor }) => sum + editor.denials,
        0,
      );
      console.log(
        `${edits} edits, ${denials} denials, ${told} facts told: ` +
          ended.map(({ story, editor }) => `${story.name} ${editor.denials}`)
            .join(", "),
      );
      assert.equal(edits, STORIES.length * ROUNDS);
      assert.ok(denials > 0, "no edit was denied");
      assert.ok(denials <= told, `${denials} denials for ${told} facts`);
    },
  });
}

/** Returns the text of a file: a line for each agent and round. */
function content(): string {
  return STORIES.flatMap(({ name }) =>
    Array.from({ length: ROUNDS }, (_, round) => lineOf(name, round, "one"))
  ).join("\n") + "\n";
}

function started(
  place: Workplace,
  story: AgentStory,
  { prefix, url, env }: Loopback,
): AgentRun {
  const { commands, nodeCommands } = programs.get(story)!;
  return new AgentRun({
    command: [...prefix, ...story.start("Change your lines, please.")],
    cwd: place.project,
    env: {
      ...place.env([commands, nodeCommands]),
      ...env,
      ...story.env(url),
    },
    msMax: RUN_MS_MAX,
  });
}

/** Counts the facts that denials told to sessions. */
function factsTold(database: string): number {
  const db = new DatabaseSync(database, { readOnly: true });
  try {
    const row = db.prepare(
      "SELECT count(*) AS facts FROM session_notes WHERE key LIKE 'told:%'",
    ).get();
    return Number(row?.facts);
  } finally {
    db.close();
  }
}
