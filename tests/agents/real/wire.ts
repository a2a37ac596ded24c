/**
 * How a coding agent talks to its model: what all wire formats have in common.
 *
 * Each format has a file of its own. It reads out of a request how far the
 * conversation has come and which tools the agent offers, and writes what the
 * model says, as a stream of server-sent events.
 *
 * How far it has come is the number of turns that the model has had already, as
 * the agent sends the whole history each time. So a request that is repeated
 * gets the same turn again, and nothing is kept from one to the next.
 *
 * @module
 */

/** The model calls a tool with named arguments. */
export interface ToolTurn {
  /** The tool's name, as the agent offers it. */
  readonly tool: string;
  /** Its arguments. */
  readonly input: Readonly<Record<string, unknown>>;
}

/** The model calls a tool whose one argument is plain text. */
export interface TextToolTurn {
  /** The tool's name, as the agent offers it. */
  readonly tool: string;
  /** Its argument. */
  readonly text: string;
}

/** The model says something, which ends the agent's turn. */
export interface SayTurn {
  /** What it says. */
  readonly say: string;
}

/** What the model does in one turn. */
export type Turn = ToolTurn | TextToolTurn | SayTurn;

/** A JSON object of which nothing is known. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** One wire format. */
export interface Wire {
  /** The paths that are spoken to in this format. */
  readonly path: RegExp;
  /** How many turns the model has had already. */
  turnsBefore(body: JsonRecord): number;
  /** The names of the tools that the agent offers. */
  toolNames(body: JsonRecord): string[];
  /** What the model does, as the body of a `text/event-stream`. */
  stream(turn: Turn, callId: string): string;
}

/** The objects among the items of an array; none if it is no array. */
export function recordsIn(value: unknown): JsonRecord[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** Whether a value is an object with named fields. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields of this name that are texts. */
export function textsNamed(
  name: string,
  from: readonly JsonRecord[],
): string[] {
  return from.map((each) => each[name]).filter((text) =>
    typeof text === "string"
  );
}

/** Server-sent events of the given data; each is named by its `type`. */
export function typedEvents(events: readonly JsonRecord[]): string {
  return events.map((data) =>
    `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
  ).join("");
}

/** Server-sent events of the given data, without names. */
export function plainEvents(events: readonly JsonRecord[]): string {
  return events.map((data) => `data: ${JSON.stringify(data)}\n\n`).join("");
}
