/**
 * The programs that have to start soonest, run as they will be, on a bus of
 * their own.
 *
 * @module
 */

import { RUNS_OUT } from "./ending.ts";

/** How a program is run. */
export interface Rehearsed {
  /** The file's name. */
  readonly program: string;
  /** What follows it. */
  readonly args: readonly string[];
  /** What it reads. */
  readonly input: unknown;
  /** Whether it does what it will do all the time, not what leads up to that. */
  readonly usual: boolean;
  /** Its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Has `run` run each call after the other. */
export async function rehearse(
  run: (call: Rehearsed) => Promise<void>,
): Promise<void> {
  const folder = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-install-" }),
  );
  const env = {
    XDG_CONFIG_HOME: folder,
    MBUS_HOME: `${folder}/bus`,
    MBUS_URL: "",
    MBUS_SESSION: "install",
    // The runtime keeps something only of what runs out.
    [RUNS_OUT]: "1",
  };
  const hook = (
    event: string,
    { usual = true, tool, file }: {
      readonly usual?: boolean;
      readonly tool?: string;
      readonly file?: string;
    },
  ) => {
    const input = {
      session_id: "install",
      cwd: folder,
      hook_event_name: event,
      tool_name: tool,
      tool_input: { file_path: `${folder}/${file}`, command: "true > third" },
    };
    return run({ program: "hook.js", args: ["claude"], input, usual, env });
  };
  const send = (usual: boolean, session = "install") =>
    run({
      program: "send.js",
      args: ["state", "1"],
      input: null,
      usual,
      env: { ...env, MBUS_SESSION: session },
    });
  try {
    Deno.mkdirSync(`${folder}/.git`);
    Deno.writeTextFileSync(`${folder}/.git/HEAD`, "ref: refs/heads/main\n");
    Deno.mkdirSync(`${folder}/elsewhere`);
    for (const file of ["first", "elsewhere/second"]) {
      Deno.writeTextFileSync(`${folder}/${file}`, "");
    }
    const usual = false;
    await hook("SessionStart", { usual });
    await hook("PreToolUse", { usual, tool: "Edit", file: "first" });
    // The quick answer (quick_answer.ts), and then the whole way.
    await hook("PreToolUse", { tool: "Edit", file: "first" });
    await hook("PreToolUse", { tool: "Edit", file: "elsewhere/second" });
    await hook("PreToolUse", { tool: "Bash" });
    await send(false);
    await send(false, "");
    await send(true);
    await send(true, "");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
