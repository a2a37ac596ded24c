/**
 * The parts of an installation: an agent's hooks, write access to the bus in its
 * sandbox, the unloading of its threads with their windows, and the guide.
 *
 * Each part is a piece of one file that can be installed and removed. Parts that
 * share a file are installed in order and removed in reverse.
 *
 * @module
 */

import { AGENT_NAMES, type AgentName } from "../hooks/agents/agent.ts";
import {
  addUnloadDelay,
  addWritableRoot,
  removeUnloadDelay,
  removeWritableRoot,
  usesPermissionProfiles,
} from "./agents/codex.ts";
import type {
  ConfigOptions,
  ConfigPlace,
  ConfigScope,
} from "./agents/config.ts";
import { AGENT_CONFIGS } from "./agents/configs.ts";
import { addGuide, guidePath, removeGuide } from "./agents/guide.ts";
import {
  assertUsablePlace,
  locateBus,
  prepareLocation,
} from "../sqlite/location.ts";

/** The kind of part. */
export type PartKind = "hooks" | "sandbox" | "unload" | "guide";

/** The state of a part in a text. */
export type PartStatus = "current" | "outdated" | "absent";

/** One part of an installation. */
export interface Part {
  /** The agent. */
  readonly agent: AgentName;
  /** The scope. */
  readonly scope: ConfigScope;
  /** The kind of part. */
  readonly kind: PartKind;
  /** The program that reads it, if the agent has several. */
  readonly program?: string;
  /** Whether a variable of the person names its folder. */
  readonly isNamed?: boolean;
  /** The file's path. */
  readonly path: string;
  /** Adds it to a text, or updates it. */
  put(text: string | undefined): string;
  /** Removes it from a text. */
  take(text: string): string | undefined;
  /** Returns the reason why it has no effect in a text, if it has none. */
  reasonAgainst?(text: string): string | undefined;
  /** Makes the folder that the part names. */
  prepare?(): void;
}

/** Returns the state of a part in a text. */
export function statusOf(part: Part, text: string | undefined): PartStatus {
  if (text === undefined || part.take(text) === text) return "absent";
  return part.put(text) === text ? "current" : "outdated";
}

/** Returns an agent's hooks: a part for each file. */
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
      // A file without our hooks is not parsed, and may be invalid.
      file.format === "plugin" || text.includes(`mbus hook ${agent}`)
        ? file.uninstall(text)
        : text,
  }));
}

/**
 * Returns the part for write access to the bus folder. Only the user's Codex has
 * one, because that folder is the user's.
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
    reasonAgainst: (text) =>
      usesPermissionProfiles(text, path)
        ? "it uses permission profiles, so writable_roots has no effect; let " +
          "the profile write to the bus: " +
          `[permissions.‹profile›.filesystem] "${bus}" = "write"`
        : undefined,
    // A sandbox can only admit an existing folder.
    prepare: () => {
      const location = locateBus(bus);
      assertUsablePlace(location);
      prepareLocation(location);
    },
  };
}

/** Returns the part that unloads Codex's threads; only for the user's file. */
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
    put: (text) => addUnloadDelay(text, path),
    take: (text) =>
      text.includes("thread_unload_delay_secs")
        ? removeUnloadDelay(text, path)
        : text,
  };
}

/** Returns the part for the guide; undefined if the agent has no file. */
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

/** Returns the agents that read the same file as this guide. */
export function readersOf(guide: Part, place: ConfigPlace): AgentName[] {
  return AGENT_NAMES.filter((name) =>
    guidePath(name, guide.scope, place) === guide.path
  );
}

/** Returns all parts of an agent, in the order of installation. */
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
