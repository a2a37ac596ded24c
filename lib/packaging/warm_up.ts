/**
 * The programs that have to start soonest, run as they will be, on a bus of
 * their own: by a session that has a process, with somebody who listens.
 *
 * @module
 */

import { type MessageBus, openBus } from "../../mod.ts";
import { POPULATE_CODE_CACHE } from "../cli/exit.ts";

/** How a program is run. */
export interface WarmUpCall {
  /** The file's name. */
  readonly program: string;
  /** What follows it. */
  readonly args: readonly string[];
  /** What it reads. */
  readonly input: unknown;
  /** The folder it runs in. */
  readonly cwd: string;
  /** Whether it does what it will do all the time, not what leads up to that. */
  readonly usual: boolean;
  /** Its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Has `run` run each call after the other. */
export async function warmUp(
  run: (call: WarmUpCall) => Promise<void>,
): Promise<void> {
  const folder = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-install-" }),
  );
  const env = {
    XDG_CONFIG_HOME: folder,
    MBUS_HOME: `${folder}/bus`,
    MBUS_URL: "",
    MBUS_SESSION: "install",
    // This process stands in for the agent.
    CLAUDE_PID: String(Deno.pid),
    // The runtime keeps something only of what runs out.
    [POPULATE_CODE_CACHE]: "1",
  };
  const hook = (
    event: string,
    { agent = "claude", session = "install", usual = true, tool, file }: {
      readonly agent?: string;
      readonly session?: string;
      readonly usual?: boolean;
      readonly tool?: string;
      readonly file?: string;
    },
  ) => {
    const path = `${folder}/${file}`;
    const command = tool === "apply_patch"
      ? `*** Begin Patch\n*** Update File: ${path}\n@@\n-a\n+b\n*** End Patch\n`
      : "true > third";
    const input = {
      session_id: session,
      cwd: folder,
      hook_event_name: event,
      tool_name: tool,
      tool_input: { file_path: path, command },
    };
    const program = "hook.js";
    return run({
      program,
      args: [agent],
      input,
      cwd: folder,
      usual,
      env: { ...env, MBUS_SESSION: session },
    });
  };
  const send = ({ usual = true, session = "install", options = [] }: {
    readonly usual?: boolean;
    readonly session?: string;
    readonly options?: readonly string[];
  }) =>
    run({
      program: "send.js",
      args: ["state", '{"status":"working"}', ...options],
      input: null,
      cwd: folder,
      usual,
      env: { ...env, MBUS_SESSION: session },
    });
  try {
    Deno.mkdirSync(`${folder}/.git`);
    Deno.writeTextFileSync(`${folder}/.git/HEAD`, "ref: refs/heads/main\n");
    for (const file of ["first", "elsewhere/second", "codex/a", "gemini/a"]) {
      const path = `${folder}/${file}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, "");
    }
    await using _listener = await listening(env.MBUS_HOME);
    const usual = false;
    await hook("SessionStart", { usual });
    await hook("PreToolUse", { usual, tool: "Edit", file: "first" });
    // The fast path (fast_path.ts), and then the slow path.
    await hook("PreToolUse", { tool: "Edit", file: "first" });
    await hook("PreToolUse", { tool: "Edit", file: "elsewhere/second" });
    await hook("PostToolUse", { tool: "Edit", file: "elsewhere/second" });
    await hook("PreToolUse", { tool: "Bash" });
    await hook("PostToolUse", { tool: "Bash" });
    await hook("UserPromptSubmit", {});
    const session = "install-other";
    await hook("SessionStart", { session });
    // Two sessions at one file: one is denied.
    await hook("PreToolUse", { session, tool: "Edit", file: "first" });
    await hook("Stop", { session });
    // One whose edits are patches, and one that wants an answer in any case.
    for (const usual of [false, true]) {
      const patch = {
        usual,
        agent: "codex",
        session: "install-codex",
        tool: "apply_patch",
      };
      await hook("PreToolUse", { ...patch, file: "codex/a" });
      const edit = {
        usual,
        agent: "gemini",
        session: "install-gemini",
        tool: "replace",
      };
      await hook("BeforeTool", { ...edit, file: "gemini/a" });
    }
    // Takes the step of the purge that is due.
    await send({ usual });
    // From a session that is there, and from one that is found.
    await send({});
    await send({ session: "" });
    await send({ options: ["--json"] });
    await send({ session: "", options: ["--json"] });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Somebody who listens, so that sending rings; nobody where there can be no bus. */
async function listening(home: string): Promise<MessageBus | undefined> {
  try {
    const options = { session: "reader", project: null, warn: () => {} };
    const bus = await openBus({ home, ...options });
    await bus.subscribe("state").ready;
    return bus;
  } catch {
    // What is called then is not all that will be, and a little slower.
    return undefined;
  }
}
