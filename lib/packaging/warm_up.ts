/**
 * Typical runs of the fast programs, by which the installation finds the functions
 * that they call and fills the code cache. They use a temporary bus with a
 * listening session.
 *
 * @module
 */

import { type MessageBus, openBus } from "../../mod.ts";
import { POPULATE_CODE_CACHE } from "../cli/exit.ts";

/** A run of a program. */
export interface WarmUpCall {
  /** Name of the program's file. */
  readonly program: string;
  /** Arguments of the program. */
  readonly args: readonly string[];
  /** Standard input, as JSON. */
  readonly input: unknown;
  /** Working folder. */
  readonly cwd: string;
  /** Whether the run is typical; a preparing run is not. */
  readonly usual: boolean;
  /** Environment of the program. */
  readonly env: Readonly<Record<string, string>>;
}

/** Passes each call to `run`, one after another. */
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
    // The second session on a file is denied.
    await hook("PreToolUse", { session, tool: "Edit", file: "first" });
    await hook("Stop", { session });
    // An agent whose edits are patches, and one that always needs a response.
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
    // Runs the purge that is due.
    await send({ usual });
    // From a named session, and from a detected one.
    await send({});
    await send({ session: "" });
    await send({ options: ["--json"] });
    await send({ session: "", options: ["--json"] });
    for (const word of ["help", "version"]) {
      await run({
        program: "help.js",
        args: [word],
        input: null,
        cwd: folder,
        usual: true,
        env,
      });
    }
    for (const kind of ["sessions", "locks", "tasks", "channels"]) {
      await run({
        program: "complete.js",
        args: [kind],
        input: null,
        cwd: folder,
        usual: true,
        env,
      });
    }
    await run({
      program: "statusline.js",
      args: [],
      input: null,
      cwd: folder,
      usual: true,
      env,
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Opens a bus that listens, so that sending rings; undefined if that fails. */
async function listening(home: string): Promise<MessageBus | undefined> {
  try {
    const options = { session: "reader", project: null, warn: () => {} };
    const bus = await openBus({ home, ...options });
    await bus.subscribe("state").ready;
    return bus;
  } catch {
    // The runs then miss some functions, which stay slower.
    return undefined;
  }
}
