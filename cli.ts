/**
 * The command `mbus`, which uses the bus from a shell.
 *
 * ```sh
 * mbus tail state
 * mbus send state '{"status":"working"}'
 * ```
 *
 * `mbus help` lists the commands. Each is loaded when it is called, because agents
 * run this program at each step.
 *
 * @module
 */

if (import.meta.main) {
  const [command, ...rest] = Deno.args;
  if (command === "hook" && !Deno.stdin.isTerminal()) {
    const { hookMain } = await import("./lib/cli/bin/hook.ts");
    Deno.exit(await hookMain(rest));
  }
  const { main } = await import("./lib/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
