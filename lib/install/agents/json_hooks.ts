/**
 * Our hooks in a JSON configuration: `hooks`, an object of lists by event.
 *
 * All agents with JSON have this form. A list contains groups with a matcher and a
 * list of commands (Claude's form), or the commands themselves (flat). A command
 * is ours if it calls `mbus hook` for this agent.
 *
 * Uninstalling must recognise what installing made. A container that we make has a
 * blank or line end before its first item. Into an empty container of the user we
 * put the first item right behind the bracket. So an emptied container is removed
 * if a blank follows its bracket, and kept otherwise. Members that a new file
 * needs (`version`) stand behind `hooks`, and are removed with it.
 *
 * @module
 */

import { getNodeValue, type Node } from "jsonc-parser";
import type { AgentName } from "../../hooks/agents/agent.ts";
import { type ConfigFile, isOurCommand } from "./config.ts";
import { type Json, type JsonContainer, JsonText } from "./jsonc.ts";
import { type Edit, removeItems } from "./sequence.ts";

/** One of our hooks. */
export interface JsonHook {
  /** The agent's event. */
  readonly event: string;
  /** The entry in that event's list. */
  readonly entry: Json;
}

/** Our hooks in an agent's JSON configuration. */
export interface JsonHooks {
  /** The file's path. */
  readonly path: string;
  /** The agent. */
  readonly agent: AgentName;
  /** The hooks. */
  readonly hooks: readonly JsonHook[];
  /** Whether the lists are members of the file's root, not of `hooks`. */
  readonly atRoot?: boolean;
  /** Members that a new file needs beside `hooks`. */
  readonly beside?: Readonly<Record<string, Json>>;
}

/**
 * Makes a group with a command, in Claude's form.
 *
 * @param command The command, with its timeout in the agent's unit.
 * @param matcher The tools, by the agent's rules; absent for all.
 * @param more Further commands of the group.
 * @returns The group.
 */
export function groupOf(
  command: Readonly<Record<string, Json>>,
  matcher?: string,
  ...more: readonly Readonly<Record<string, Json>>[]
): Json {
  const hooks = [command, ...more]
    .map((each) => ({ type: "command", ...each }));
  return matcher === undefined ? { hooks } : { matcher, hooks };
}

/**
 * Makes the file of an agent with a JSON configuration.
 *
 * @param spec The path and the hooks.
 * @returns The file.
 */
export function jsonHooksFile(spec: JsonHooks): ConfigFile {
  return {
    path: spec.path,
    format: "json",
    install: (text) => install(spec, text),
    uninstall: (text) => uninstall(spec, text),
    status: (text) => {
      if (text === undefined) return "absent";
      const json = read(spec, text);
      if (isCurrent(spec, json)) return "current";
      return found(spec, json).length > 0 ? "outdated" : "absent";
    },
  };
}

function read(spec: JsonHooks, text: string): JsonText {
  return new JsonText(text, { path: spec.path, format: "json" });
}

function install(spec: JsonHooks, text: string | undefined): string {
  if (text === undefined) return newFile(spec);
  const before = read(spec, text);
  if (isCurrent(spec, before)) return text;
  const bare = uninstall(spec, text);
  if (bare === undefined) return newFile(spec);
  let result = bare;
  const missing: JsonHook[] = [];
  for (const hook of spec.hooks) {
    const json = read(spec, result);
    const list = lists(spec, json).get(hook.event);
    if (list === undefined) missing.push(hook);
    else {
      const edits = json.insertion(list, [{ element: hook.entry }]);
      result = json.edited(edits);
    }
  }
  return missing.length === 0 ? result : addLists(spec, result, missing);
}

/** Adds lists for events without one, and `hooks` if it is missing. */
function addLists(
  spec: JsonHooks,
  text: string,
  missing: readonly JsonHook[],
): string {
  const json = read(spec, text);
  const hooks = hooksOf(spec, json);
  const added = missing.map(({ event, entry }) => [event, [entry]] as const);
  if (hooks !== undefined) {
    return json.edited(json.insertion(hooks, added));
  }
  const beside = Object.entries(spec.beside ?? {})
    .filter(([key]) => !json.root.keys.includes(key));
  const members = [["hooks", Object.fromEntries(added)] as const, ...beside];
  return json.edited(json.insertion(json.root, members));
}

function newFile(spec: JsonHooks): string {
  const hooks = Object.fromEntries(
    spec.hooks.map(({ event, entry }) => [event, [entry]]),
  );
  const whole = spec.atRoot ? hooks : { hooks, ...spec.beside };
  return `${JSON.stringify(whole, null, 2)}\n`;
}

function uninstall(spec: JsonHooks, text: string): string | undefined {
  const json = read(spec, text);
  const inner = hooksOf(spec, json);
  if (inner === undefined) return text;
  const edits: Edit[] = [];
  const goneLists = new Set<number>();
  for (const [index, key] of inner.keys.entries()) {
    const list = listOf(json, inner, key);
    const { gone, within } = ours(spec, json, list);
    edits.push(...within);
    if (gone.size === 0) continue;
    if (gone.size === list.items.length && isMade(json, list)) {
      goneLists.add(index);
    } else edits.push(...removeItems(list, gone));
  }
  const isAll = goneLists.size > 0 && goneLists.size === inner.keys.length;
  if (!isAll || !isMade(json, inner)) {
    edits.push(...removeItems(inner, goneLists));
    return edits.length === 0 ? text : json.edited(edits);
  }
  if (spec.atRoot) {
    const rest = json.edited(removeItems(inner, goneLists));
    return /^\{\s*\}\s*$/.test(rest) ? undefined : rest;
  }
  return withoutHooks(spec, json);
}

/** Removes `hooks`, which is all ours, and the members added with it. */
function withoutHooks(spec: JsonHooks, json: JsonText): string | undefined {
  const { root } = json;
  const index = root.keys.indexOf("hooks");
  const gone = new Set([index]);
  const beside = Object.entries(spec.beside ?? {});
  for (let next = index + 1; next < root.keys.length; next++) {
    const isBeside = beside.some(([key, value]) =>
      root.keys[next] === key && root.values[next].value === value
    );
    if (!isBeside) break;
    gone.add(next);
  }
  const isAll = gone.size === root.keys.length;
  const text = json.edited(removeItems(root, gone));
  const isBare = /^\{\s*\}\s*$/.test(text);
  return isAll && isBare && isMade(json, root) ? undefined : text;
}

/** Finds the items of an event's list that are ours, in whole or in part. */
function ours(
  spec: JsonHooks,
  json: JsonText,
  list: JsonContainer,
): { gone: Set<number>; within: Edit[] } {
  const gone = new Set<number>();
  const within: Edit[] = [];
  for (const [index, node] of list.values.entries()) {
    const value: unknown = getNodeValue(node);
    if (isOurs(spec, value)) gone.add(index);
    const commands = commandsOf(json, node);
    if (commands === undefined) continue;
    const own = commands.values.flatMap((command, at) =>
      isOurs(spec, getNodeValue(command)) ? [at] : []
    );
    if (own.length === 0) continue;
    // A user's own command in our group stays, and so does the group.
    if (own.length === commands.values.length) gone.add(index);
    else within.push(...removeItems(commands, new Set(own)));
  }
  return { gone, within };
}

function isOurs(spec: JsonHooks, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { command, bash } = value as { command?: unknown; bash?: unknown };
  return isOurCommand(command, spec.agent) || isOurCommand(bash, spec.agent);
}

function commandsOf(json: JsonText, group: Node): JsonContainer | undefined {
  if (group.type !== "object") return undefined;
  const container = json.container(group);
  const node = container.values[container.keys.indexOf("hooks")];
  return node?.type === "array" ? json.container(node) : undefined;
}

/** Returns the container of the lists, if it exists. */
function hooksOf(spec: JsonHooks, json: JsonText): JsonContainer | undefined {
  if (spec.atRoot) return json.root;
  const hooks = json.member(json.root, "hooks", "object");
  return hooks === undefined ? undefined : json.container(hooks);
}

/** Returns the lists of hooks, by event. */
function lists(spec: JsonHooks, json: JsonText): Map<string, JsonContainer> {
  const inner = hooksOf(spec, json);
  if (inner === undefined) return new Map();
  return new Map(inner.keys.map((key) => [key, listOf(json, inner, key)]));
}

function listOf(
  json: JsonText,
  hooks: JsonContainer,
  event: string,
): JsonContainer {
  const node = json.member(hooks, event, "array");
  if (node === undefined) throw new TypeError(`No list for "${event}"`);
  return json.container(node);
}

/** Returns all entries that are ours, wholly or in part, with their events. */
function found(
  spec: JsonHooks,
  json: JsonText,
): { event: string; value: unknown; isWhole: boolean }[] {
  return [...lists(spec, json)].flatMap(([event, list]) => {
    const { gone, within } = ours(spec, json, list);
    const whole = [...gone].map((index) => ({
      event,
      value: getNodeValue(list.values[index]) as unknown,
      isWhole: true,
    }));
    return within.length === 0
      ? whole
      : [...whole, { event, value: undefined, isWhole: false }];
  });
}

function isCurrent(spec: JsonHooks, json: JsonText): boolean {
  const entries = found(spec, json);
  return entries.length === spec.hooks.length &&
    spec.hooks.every((hook) =>
      entries.some(({ event, value, isWhole }) =>
        isWhole && event === hook.event &&
        JSON.stringify(value) === JSON.stringify(hook.entry)
      )
    );
}

/** Whether we made a container: a blank follows its bracket, and no comment. */
function isMade(json: JsonText, container: JsonContainer): boolean {
  return container.comments.length === 0 &&
    /\s/.test(json.text[container.open] ?? "");
}
