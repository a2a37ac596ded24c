/**
 * A model that follows a script, for real coding agents to talk to.
 *
 * ```text
 *  request ─▶ which format? ─▶ how many turns so far? ─▶ the script's next turn
 *                  └─ none of a model's: `{}`    └─ its tool not offered: "ok"
 * ```
 *
 * What it keeps true:
 *
 * - It keeps no state between requests (see wire.ts), so an agent's repeats and
 *   side calls (for a title, a summary) cannot shift the script.
 * - Before a turn is answered its `before` is run, once however often the agent
 *   asks: that is the time when a test acts and looks around, as the agent does
 *   nothing meanwhile.
 * - A `before` that fails ends the agent's work with a plain word, and the test
 *   finds the failure in `failures`.
 *
 * @module
 */

import { anthropicWire } from "./anthropic_wire.ts";
import { chatWire } from "./chat_wire.ts";
import { geminiWire } from "./gemini_wire.ts";
import { responsesWire } from "./responses_wire.ts";
import { isRecord, type JsonRecord, type Turn, type Wire } from "./wire.ts";

const WIRES: readonly Wire[] = [
  anthropicWire,
  responsesWire,
  chatWire,
  geminiWire,
];
const SIDE_CALL: Turn = { say: "ok" };

/** What an agent told its model. */
export interface ModelRequest {
  /** How many turns the model had had by then. */
  readonly step: number;
  /** The names of the tools that it offered. */
  readonly tools: readonly string[];
  /** Every text in the request, one a line. */
  readonly text: string;
}

/** One turn of a script. */
export interface ScriptedTurn {
  /** What the model does. */
  readonly turn: Turn;
  /** What happens before it does so; the agent waits. */
  readonly before?: (request: ModelRequest) => Promise<void>;
}

/**
 * What a model does: a script, a choice at each step, or an answer to each request,
 * for several conversations at once.
 */
export type Script =
  | readonly ScriptedTurn[]
  | ((request: ModelRequest) => Promise<Turn>)
  | { readonly answerTo: (body: JsonRecord) => Turn };

/** Where a server listens. */
export type ModelAddress =
  | { readonly path: string }
  | { readonly hostname: string; readonly port: number };

/** A model that follows a script. */
export class ModelServer implements AsyncDisposable {
  /** What was asked, without the side calls. */
  readonly requests: ModelRequest[] = [];
  /** The paths of all requests, for looking into what an agent does. */
  readonly paths: string[] = [];
  /** What went wrong before a turn. */
  readonly failures: unknown[] = [];
  readonly #script: Script;
  readonly #begun = new Map<number, Promise<Turn>>();
  readonly #server: Deno.HttpServer<Deno.Addr>;

  /** Starts one; a port of 0 is any that is free. */
  constructor(script: Script, address: ModelAddress) {
    this.#script = script;
    const handler = (request: Request) => this.#answer(request);
    this.#server = "path" in address
      ? Deno.serve({ path: address.path, onListen: () => {} }, handler)
      : Deno.serve({ ...address, onListen: () => {} }, handler);
  }

  /** The port, if it listens on one. */
  get port(): number | undefined {
    const { addr } = this.#server;
    return "port" in addr ? addr.port : undefined;
  }

  /** What the model was told when an agent first came to a step. */
  toldAt(step: number): string {
    return this.requests.find((request) => request.step === step)?.text ?? "";
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    this.paths.push(`${request.method} ${pathname}`);
    const text = await request.text();
    const wire = WIRES.find(({ path }) => path.test(pathname));
    if (request.method !== "POST" || wire === undefined) {
      return Response.json(pathname.endsWith("/models") ? NO_MODELS : {});
    }
    const body: unknown = JSON.parse(text);
    const turn = await this.#turn(wire, isRecord(body) ? body : {});
    return new Response(wire.stream(turn, `call_${crypto.randomUUID()}`), {
      headers: { "content-type": "text/event-stream" },
    });
  }

  async #turn(wire: Wire, body: JsonRecord): Promise<Turn> {
    const step = wire.turnsBefore(body);
    const tools = wire.toolNames(body);
    if (tools.length === 0) return SIDE_CALL;
    const request = { step, tools, text: textsIn(body).join("\n") };
    const isOffered = (turn: Turn) =>
      !("tool" in turn) || tools.includes(turn.tool);
    if ("answerTo" in this.#script) return this.#script.answerTo(body);
    if (typeof this.#script === "function") {
      const choose = this.#script;
      const turn = await this.#once(request, () => choose(request));
      return isOffered(turn) ? turn : SIDE_CALL;
    }
    const scripted = this.#script[step];
    if (scripted === undefined || !isOffered(scripted.turn)) return SIDE_CALL;
    return await this.#once(request, async () => {
      await scripted.before?.(request);
      return scripted.turn;
    });
  }

  #once(request: ModelRequest, act: () => Promise<Turn>): Promise<Turn> {
    this.requests.push(request);
    let begun = this.#begun.get(request.step);
    if (begun === undefined) {
      begun = act().catch((error): Turn => {
        this.failures.push(error);
        return { say: "Something went wrong." };
      });
      this.#begun.set(request.step, begun);
    }
    return begun;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const NO_MODELS: JsonRecord = { object: "list", data: [] };

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
