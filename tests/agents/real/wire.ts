/**
 * The common part of the wire formats between coding agents and models.
 *
 * Each format has one file. It reads the number of turns and the offered tools
 * from a request, and writes the model's turn as a stream of server-sent
 * events.
 *
 * An agent sends the whole history in each request. So a repeated request gets
 * the same turn, and the server keeps no state.
 *
 * @module
 */

/** A call of a tool with named arguments. */
export interface ToolTurn {
  /** The name of the tool. */
  readonly tool: string;
  /** The arguments. */
  readonly input: Readonly<Record<string, unknown>>;
}

/** A call of a tool with one plain text. */
export interface TextToolTurn {
  /** The name of the tool. */
  readonly tool: string;
  /** The argument. */
  readonly text: string;
}

/** A text of the model, which ends the agent's turn. */
export interface SayTurn {
  /** The text. */
  readonly say: string;
}

/** One turn of the model. */
export type Turn = ToolTurn | TextToolTurn | SayTurn;

/** A JSON object with unknown fields. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** One wire format. */
export interface Wire {
  /** The paths of requests in this format. */
  readonly path: RegExp;
  /** Returns the number of the model's turns in the history. */
  turnsBefore(body: JsonRecord): number;
  /** Returns the names of the offered tools. */
  toolNames(body: JsonRecord): string[];
  /** Returns a turn as the body of a `text/event-stream`. */
  stream(turn: Turn, callId: string): string;
}

/** Returns the objects in an array; none for another value. */
export function recordsIn(value: unknown): JsonRecord[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** Returns whether a value is an object with named fields. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the texts in the fields of a name. */
export function textsNamed(
  name: string,
  from: readonly JsonRecord[],
): string[] {
  return from.map((each) => each[name]).filter((text) =>
    typeof text === "string"
  );
}

/** Returns server-sent events, each named by its `type`. */
export function typedEvents(events: readonly JsonRecord[]): string {
  return events.map((data) =>
    `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
  ).join("");
}

/** Returns server-sent events without names. */
export function plainEvents(events: readonly JsonRecord[]): string {
  return events.map((data) => `data: ${JSON.stringify(data)}\n\n`).join("");
}
