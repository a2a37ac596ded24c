/**
 * Check of Codex windows that share a daemon: the process and terminal of each,
 * and whether the window and the daemon use the same bus.
 *
 * @module
 */

import type { Session } from "../../model/session.ts";
import { environmentOf } from "../../hooks/codex_daemon.ts";
import { type Finding, ok, warn } from "./finding.ts";

/** Returns a finding for each session that runs in a daemon of Codex. */
export function checkCodex(
  sessions: readonly Session[],
  variablesOf: typeof environmentOf = environmentOf,
): Finding[] {
  return sessions.flatMap(({ id, pid, tty, keeper }) => {
    const daemon = keeper?.codex?.daemon.pid;
    if (daemon === undefined || pid === undefined) return [];
    const terminal = tty === undefined ? "" : ` on ${tty}`;
    if (pid === daemon) {
      return [ok("codex", `${id} is in daemon ${daemon}, without a window`)];
    }
    const window = `the window of ${id} (pid ${pid}${terminal})`;
    const [its, the] = [pid, daemon].map((of) => variablesOf(of).MBUS_HOME);
    if (its === the) return [ok("codex", `${window} is in daemon ${daemon}`)];
    return [warn(
      "codex",
      `the Codex daemon (pid ${daemon}) runs with ${shown(the)}, ${window} ` +
        `with ${
          shown(its)
        }; hooks and commands use the window's, commands in ` +
        `Codex's sandbox the daemon's`,
      "set MBUS_HOME in shell_environment_policy.set of Codex's config.toml, " +
        "or start this window with --no-daemon",
    )];
  });
}

function shown(home: string | undefined): string {
  return home === undefined ? "no MBUS_HOME" : `MBUS_HOME=${home}`;
}
