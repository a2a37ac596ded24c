/**
 * Our hooks in a JSON configuration: `hooks`, an object of lists by event.
 *
 * All agents with JSON have this form. In a list stand groups with a matcher
 * and a list of commands (Claude's form), or the commands themselves (flat).
 * A command is ours if it calls `mbus hook` for this agent.
 *
 * Taking out must know what putting in made. What we make opens with a blank or
 * a line end before its first item; into what stood empty we put the first item
 * right behind the bracket. So an emptied list or object goes if it opens with
 * a blank, and stays if not. Members that a new file needs besides (`version`)
 * stand behind `hooks`, and go with it.
 *
 * @module
 */

import { getNodeValue, type Node } from "jsonc-parser";
import type { AgentName } from "../../hooks/agents/agent.ts";
import { type ConfigFile, isOurCommand } from "./config.ts";
import { type Json, type JsonContainer, JsonText } from "./jsonc.ts";
import { type Edit, takeOut } from "./sequence.ts";

/** One of our hooks. */
export interface JsonHook {
  /** The agent's event. */
  readonly event: string;
  /** What goes into that event's list. */
  readonly entry: Json;
}

/** What an agent's JSON configuration holds of ours. */
export interface JsonHooks {
  /** The file's path. */
  readonly path: string;
  /** The agent. */
  readonly agent: AgentName;
  /** What goes in. */
  readonly hooks: readonly JsonHook[];
  /** Whether the lists are the file's own members, not those of `hooks`. */
  readonly atRoot?: boolean;
  /** Members that must stand beside `hooks`. */
  readonly beside?: Readonly<Record<string, Json>>;
}

/**
 * Makes a group with a command, as Claude and its followers have it.
 *
 * @param command The command and its timeout, in the agent's unit, and more.
 * @param matcher Which tools, by the agent's rules; all without.
 * @param more More commands of the group.
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
 * Makes the file of an agent whose hooks stand in JSON.
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

/** Adds the lists of events that have none, with `hooks` if need be. */
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
    } else edits.push(...takeOut(list, gone));
  }
  const isAll = goneLists.size > 0 && goneLists.size === inner.keys.length;
  if (!isAll || !isMade(json, inner)) {
    edits.push(...takeOut(inner, goneLists));
    return edits.length === 0 ? text : json.edited(edits);
  }
  if (spec.atRoot) {
    const rest = json.edited(takeOut(inner, goneLists));
    return /^\{\s*\}\s*$/.test(rest) ? undefined : rest;
  }
  return withoutHooks(spec, json);
}

/** Takes out `hooks`, which is all ours, and what came with it. */
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
  const text = json.edited(takeOut(root, gone));
  const isBare = /^\{\s*\}\s*$/.test(text);
  return isAll && isBare && isMade(json, root) ? undefined : text;
}

/** Which items of an event's list are ours, wholly or in part. */
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
    // Somebody's own command in our group stays, and so does the group.
    if (own.length === commands.values.length) gone.add(index);
    else within.push(...takeOut(commands, new Set(own)));
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

/** What holds the lists, if it is there. */
function hooksOf(spec: JsonHooks, json: JsonText): JsonContainer | undefined {
  if (spec.atRoot) return json.root;
  const hooks = json.member(json.root, "hooks", "object");
  return hooks === undefined ? undefined : json.container(hooks);
}

/** The lists of hooks, by event. */
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

/** All entries that are ours, wholly or in part, with their events. */
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

/** We open what we make with a blank or a line end, and comment nothing. */
function isMade(json: JsonText, container: JsonContainer): boolean {
  return container.comments.length === 0 &&
    /\s/.test(json.text[container.open] ?? "");
}
