/**
 * The parts that make up an installation: an agent's hooks, its sandbox's
 * leave to write to the bus, the end of its threads with their windows, the guide
 * for its model.
 *
 * Each is a piece of one file that can be put in and taken out. Two parts may
 * share a file: they are put in in order and taken out in the reverse one.
 *
 * @module
 */

import { AGENT_NAMES, type AgentName } from "../hooks/agents/agent.ts";
import {
  addWritableRoot,
  removeWritableRoot,
  unloadAtOnce,
  unloadLater,
  usesPermissionProfiles,
} from "./agents/codex.ts";
import type {
  ConfigOptions,
  ConfigPlace,
  ConfigScope,
} from "./agents/config.ts";
import { AGENT_CONFIGS } from "./agents/configs.ts";
import { addGuide, guidePath, removeGuide } from "./agents/guide.ts";
import { locateBus, prepareLocation } from "../sqlite/location.ts";

/** What a part is. */
export type PartKind = "hooks" | "sandbox" | "unload" | "guide";

/** How a part stands in a text. */
export type Standing = "current" | "outdated" | "absent";

/** One part of an installation. */
export interface Part {
  /** Whose it is. */
  readonly agent: AgentName;
  /** For whom it is. */
  readonly scope: ConfigScope;
  /** What it is. */
  readonly kind: PartKind;
  /** Which program reads it, if the agent's name stands for more than one. */
  readonly program?: string;
  /** Whether the person has named its folder. */
  readonly isNamed?: boolean;
  /** Its file. */
  readonly path: string;
  /** Puts it into a text, or brings it up to date. */
  put(text: string | undefined): string;
  /** Takes it out of a text. */
  take(text: string): string | undefined;
  /** Why it would do no good, if so. */
  uselessIn?(text: string): string | undefined;
  /** Makes what it speaks of. */
  prepare?(): void;
}

/** How a part stands in a text. */
export function standingOf(part: Part, text: string | undefined): Standing {
  if (text === undefined || part.take(text) === text) return "absent";
  return part.put(text) === text ? "current" : "outdated";
}

/** An agent's hooks: a part for each file. */
export function hookParts(
  agent: AgentName,
  scope: ConfigScope,
  place: ConfigPlace,
  options?: ConfigOptions,
): Part[] {
  return AGENT_CONFIGS[agent].files(scope, place, options).map((file) => ({
    agent,
    scope,
    kind: "hooks",
    program: file.program,
    isNamed: file.isNamed,
    path: file.path,
    put: (text) => file.install(text),
    take: (text) =>
      // What never heard of us is not ours to read, and may be broken.
      file.format === "plugin" || text.includes(`mbus hook ${agent}`)
        ? file.uninstall(text)
        : text,
  }));
}

/**
 * The leave to write to the bus folder: only a person's Codex has one, as that
 * folder is the person's.
 */
export function sandboxPart(
  agent: AgentName,
  scope: ConfigScope,
  place: ConfigPlace,
  bus: string | undefined,
): Part | undefined {
  if (agent !== "codex" || scope !== "user" || bus === undefined) {
    return undefined;
  }
  const [{ path }] = AGENT_CONFIGS[agent].files(scope, place);
  return {
    agent,
    scope,
    kind: "sandbox",
    path,
    put: (text) => addWritableRoot(text, bus, path),
    take: (text) =>
      text.includes("writable_roots")
        ? removeWritableRoot(text, bus, path)
        : text,
    uselessIn: (text) =>
      usesPermissionProfiles(text, path)
        ? "it goes by permission profiles, beside which writable_roots has no " +
          "effect; let the profile write to the bus: " +
          `[permissions.‹profile›.filesystem] "${bus}" = "write"`
        : undefined,
    // A sandbox can only let in what is there.
    prepare: () => prepareLocation(locateBus(bus)),
  };
}

/** The end of a Codex's threads with their windows: in a person's file only. */
export function unloadPart(
  agent: AgentName,
  scope: ConfigScope,
  place: ConfigPlace,
): Part | undefined {
  if (agent !== "codex" || scope !== "user") return undefined;
  const [{ path }] = AGENT_CONFIGS[agent].files(scope, place);
  return {
    agent,
    scope,
    kind: "unload",
    path,
    put: (text) => unloadAtOnce(text, path),
    take: (text) =>
      text.includes("thread_unload_delay_secs")
        ? unloadLater(text, path)
        : text,
  };
}

/** The guide for an agent's model; undefined where it has no file for that. */
export function guidePart(
  agent: AgentName,
  scope: ConfigScope,
  place: ConfigPlace,
): Part | undefined {
  const path = guidePath(agent, scope, place);
  if (path === undefined) return undefined;
  return {
    agent,
    scope,
    kind: "guide",
    path,
    put: addGuide,
    take: removeGuide,
  };
}

/** The agents that read the same file as this guide. */
export function readersOf(guide: Part, place: ConfigPlace): AgentName[] {
  return AGENT_NAMES.filter((name) =>
    guidePath(name, guide.scope, place) === guide.path
  );
}

/** All parts of an agent, in the order in which they are put in. */
export function partsOf(
  agent: AgentName,
  scope: ConfigScope,
  place: ConfigPlace,
  bus: string | undefined,
): Part[] {
  return [
    ...hookParts(agent, scope, place),
    sandboxPart(agent, scope, place, bus),
    unloadPart(agent, scope, place),
    guidePart(agent, scope, place),
  ].filter((part) => part !== undefined);
}
