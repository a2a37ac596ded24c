/**
 * A scripted model for real coding agents.
 *
 * ```text
 *  request ─▶ which format? ─▶ how many turns so far? ─▶ the script's next turn
 *                  └─ none of a model's: `{}`    └─ its tool not offered: "ok"
 * ```
 *
 * - The server keeps no state between requests (wire.ts), so repeated requests
 *   and side calls, such as for a title, do not shift the script.
 * - Before the response of a turn, its `before` runs once, even if the agent
 *   repeats the request. The agent waits, so a test can act and look.
 * - A `before` that throws ends the agent's work, and adds to `failures`.
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

/** A request of an agent to its model. */
export interface ModelRequest {
  /** The number of the model's turns before it. */
  readonly step: number;
  /** The names of the offered tools. */
  readonly tools: readonly string[];
  /** Every text in the request, one a line. */
  readonly text: string;
}

/** One turn of a script. */
export interface ScriptedTurn {
  /** The model's turn. */
  readonly turn: Turn;
  /** Runs before the turn, while the agent waits. */
  readonly before?: (request: ModelRequest) => Promise<void>;
}

/**
 * The turns of a model: a list, a choice at each step, or a response to each
 * request for several conversations.
 */
export type Script =
  | readonly ScriptedTurn[]
  | ((request: ModelRequest) => Promise<Turn>)
  | { readonly answerTo: (body: JsonRecord) => Turn };

/** The address of a server. */
export type ModelAddress =
  | { readonly path: string }
  | { readonly hostname: string; readonly port: number };

/** The server of a scripted model. */
export class ModelServer implements AsyncDisposable {
  /** The requests, without side calls. */
  readonly requests: ModelRequest[] = [];
  /** The methods and paths of all requests. */
  readonly paths: string[] = [];
  /** The errors of `before`. */
  readonly failures: unknown[] = [];
  readonly #script: Script;
  readonly #begun = new Map<number, Promise<Turn>>();
  readonly #server: Deno.HttpServer<Deno.Addr>;

  /** Starts a server. Port 0 selects a free port. */
  constructor(script: Script, address: ModelAddress) {
    this.#script = script;
    const handler = (request: Request) => this.#answer(request);
    this.#server = "path" in address
      ? Deno.serve({ path: address.path, onListen: () => {} }, handler)
      : Deno.serve({ ...address, onListen: () => {} }, handler);
  }

  /** The port; undefined for a socket file. */
  get port(): number | undefined {
    const { addr } = this.#server;
    return "port" in addr ? addr.port : undefined;
  }

  /** Returns the text of the first request of a step. */
  textAt(step: number): string {
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
