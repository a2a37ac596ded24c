/**
 * opencode's configuration of hooks: a plugin file of our own.
 *
 * The user's folder is `OPENCODE_CONFIG_DIR`, otherwise `opencode` below
 * `XDG_CONFIG_HOME`. A file of that name without our mark is another author's: it
 * is neither replaced nor removed.
 *
 * @module
 */

import {
  type AgentConfig,
  ConfigError,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
} from "./config.ts";
import { homeOf } from "./homes.ts";
import { opencodePlugin, PLUGIN_MARK } from "./opencode_plugin.ts";

/** opencode's configuration. */
export const opencodeConfig: AgentConfig = {
  name: "opencode",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.opencode`
      : homeOf("opencode", place);
    return [pluginFile(`${folder}/plugins/message-bus.js`)];
  },
};

function pluginFile(path: string): ConfigFile {
  return {
    path,
    format: "plugin",
    install(text: string | undefined): string {
      if (text === undefined || isOurs(text)) return opencodePlugin();
      throw new ConfigError(
        { path, format: "plugin" },
        "it is not a plugin that `mbus install` wrote",
        "Move it away, then try again.",
      );
    },
    uninstall(text: string): string | undefined {
      return isOurs(text) ? undefined : text;
    },
    status(text: string | undefined): "current" | "outdated" | "absent" {
      if (text === undefined || !isOurs(text)) return "absent";
      return text === opencodePlugin() ? "current" : "outdated";
    },
  };
}

function isOurs(text: string): boolean {
  return text.startsWith(PLUGIN_MARK);
}
