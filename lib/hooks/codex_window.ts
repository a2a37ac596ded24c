/**
 * Finds the process of a Codex thread's window.
 *
 * Each window serves its own tools to the daemon on a loopback port, which the
 * daemon names for each thread. So the window is the process that listens there.
 * The port is stale if the thread moved to a second window and the first one is
 * gone. Then a window that was started with the thread's id is taken.
 *
 * @module
 */

import type { CodexThread, KeeperProcess } from "../model/process.ts";
import type { ProcessEntry } from "../process/process_entry.ts";
import { procEntry, procLink, procText } from "../process/procfs.ts";
import { askDaemon, type DaemonAnswer } from "./codex_socket.ts";

// The name of the tools that a window serves.
const TOOLS = "codex_tui";
const PROGRAM = "codex";

/** Finds a thread's window; returns `undefined` if there is none. */
export async function findWindow(
  { home, id, daemon }: CodexThread,
): Promise<KeeperProcess | undefined> {
  const answer = await askDaemon(home, "mcpServerStatus/list", {
    threadId: id,
    serverName: TOOLS,
    // Other details take the daemon a hundred times longer.
    detail: "toolsAndAuthOnly",
  });
  const windows = codexProcesses().filter(({ pid }) => pid !== daemon.pid);
  const port = portIn(answer);
  const socket = port === undefined
    ? undefined
    : listenerOn(port, procText("/proc/net/tcp") ?? "");
  const window =
    (socket === undefined
      ? undefined
      : windows.find(({ pid }) => hasOpen(pid, socket))) ??
      windows.find((entry) => entry.arguments.includes(id));
  return window && { pid: window.pid, startTime: window.startTime };
}

/** Returns the port at which the daemon reaches a thread's window. */
export function portIn(answer: DaemonAnswer | undefined): number | undefined {
  if (answer === undefined || !("result" in answer)) return undefined;
  const servers = (answer.result as { data?: unknown } | null)?.data;
  if (!Array.isArray(servers)) return undefined;
  const origin = servers.find((server) => server?.name === TOOLS)?.httpOrigin;
  const port = /^http:\/\/127\.0\.0\.1:(\d{1,5})$/.exec(String(origin))?.[1];
  return port === undefined ? undefined : Number(port);
}

/** Returns the inode of the socket that listens on a loopback port. */
export function listenerOn(port: number, table: string): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  //   3: 0100007F:8137 00000000:0000 0A 00000000:00000000 00:00000000 … 46151
  const line = new RegExp(
    `^ *\\d+: 0100007F:${hex} [0-9A-F:]+ 0A( +\\S+){5} +(\\d+)`,
    "m",
  );
  return line.exec(table)?.[2];
}

function codexProcesses(): ProcessEntry[] {
  const found: ProcessEntry[] = [];
  let names: string[];
  try {
    names = [...Deno.readDirSync("/proc")].map(({ name }) => name);
  } catch {
    // Not Linux, or /proc is not readable.
    return found;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    // Reading the short name costs half of what the whole line does.
    if (procText(`/proc/${name}/comm`)?.trimEnd() !== PROGRAM) continue;
    const entry = procEntry(Number(name));
    if (entry !== undefined && !/[ZXx]/.test(entry.state)) found.push(entry);
  }
  return found;
}

function hasOpen(pid: number, inode: string): boolean {
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      if (procLink(`/proc/${pid}/fd/${name}`) === `socket:[${inode}]`) {
        return true;
      }
    }
  } catch {
    // The process is another user's, or gone.
  }
  return false;
}
