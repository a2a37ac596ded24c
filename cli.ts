/**
 * The command `mbus`: the bus from a shell.
 *
 * ```sh
 * mbus tail state
 * mbus send state '{"status":"working"}'
 * ```
 *
 * `mbus help` lists the commands. Each is loaded only when it is called, as
 * agents call this program at every step they take.
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
