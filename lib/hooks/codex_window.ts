/**
 * Which process is the window of a thread of Codex.
 *
 * Each window serves its own tools to the daemon on a port of loopback, which
 * the daemon names for a thread. So the window is the process that listens there.
 * That port is stale where a second window went on with a thread and the first
 * one is gone; a window that was started with the thread's id is found by that.
 *
 * @module
 */

import type { CodexThread, KeeperProcess } from "../model/process.ts";
import type { ProcessEntry } from "../process/process_entry.ts";
import { procEntry, procLink, procText } from "../process/procfs.ts";
import { askDaemon, type DaemonAnswer } from "./codex_socket.ts";

// What the tools that a window serves are called.
const TOOLS = "codex_tui";
const PROGRAM = "codex";

/** Finds a thread's window; `undefined` if none is to be found. */
export async function findWindow(
  { home, id, daemon }: CodexThread,
): Promise<KeeperProcess | undefined> {
  const answer = await askDaemon(home, "mcpServerStatus/list", {
    threadId: id,
    serverName: TOOLS,
    // All else takes the daemon a hundred times longer.
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

/** The port at which the daemon reaches a thread's window. */
export function portIn(answer: DaemonAnswer | undefined): number | undefined {
  if (answer === undefined || !("result" in answer)) return undefined;
  const servers = (answer.result as { data?: unknown } | null)?.data;
  if (!Array.isArray(servers)) return undefined;
  const origin = servers.find((server) => server?.name === TOOLS)?.httpOrigin;
  const port = /^http:\/\/127\.0\.0\.1:(\d{1,5})$/.exec(String(origin))?.[1];
  return port === undefined ? undefined : Number(port);
}

/** The inode of the socket that listens on a port of loopback. */
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
    // Not Linux, or no right to look.
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
    // Another user's, or gone.
  }
  return false;
}
