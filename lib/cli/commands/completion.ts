/**
 * `mbus completion`: prints the completion script of a shell.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { printCode } from "../output/output.ts";

const SHELLS = ["bash", "zsh", "fish", "powershell"];

const completion: Command = defineCommand({
  name: "completion",
  details: [
    "The script completes commands, options, sessions, locked paths, tasks, " +
    "channels and agents. Load it in the start-up file of your shell:",
    "bash (~/.bashrc): source <(mbus completion bash)",
    "zsh (~/.zshrc, after compinit): source <(mbus completion zsh)",
    "fish: mbus completion fish > ~/.config/fish/completions/mbus.fish",
    "PowerShell ($PROFILE): mbus completion powershell | Out-String | " +
    "Invoke-Expression",
  ],
  examples: SHELLS.map((shell) => `completion ${shell}`),
  positionals: [{
    name: "SHELL",
    help: "Shell of the script",
    choices: SHELLS,
  }],
  options: {},
  async run({ positionals: [shell] }) {
    const { allCommands } = await import("../help.ts");
    const { completionTables } = await import("../completion/tables.ts");
    const tables = completionTables(await allCommands());
    printCode((await scriptOf(shell))(tables).trimEnd());
    return EXIT.done;
  },
});

export default completion;

async function scriptOf(shell: string) {
  switch (shell) {
    case "bash":
      return (await import("../completion/posix.ts")).bashScript;
    case "zsh":
      return (await import("../completion/posix.ts")).zshScript;
    case "fish":
      return (await import("../completion/fish.ts")).fishScript;
    default:
      return (await import("../completion/powershell.ts")).powershellScript;
  }
}
