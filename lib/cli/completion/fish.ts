/**
 * Script of `mbus completion` for fish.
 *
 * @module
 */

import type { CompletionTables, Table } from "./tables.ts";

/** Returns the script for fish. */
export function fishScript(tables: CompletionTables): string {
  return `# fish completion of mbus. Load it with: mbus completion fish | source
${lookup("__mbus_command", tables.command)}
${lookup("__mbus_value", tables.value)}
${lookup("__mbus_argument", tables.argument)}
${lookup("__mbus_options", tables.options)}
${lookup("__mbus_names", tables.names)}

function __mbus_complete
    set -l name ''
    set -l kind ''
    set -l count 0
    set -l cur (commandline -ct)
    for word in (commandline -opc)[2..]
        if test -n "$kind"
            set kind ''
        else if test "$word" = --
            __fish_complete_subcommand --fcs-skip=(math 1 + (contains -i -- -- (commandline -opc)))
            return
        else if string match -q -- '-?*' $word
            set kind (__mbus_value "$name $word"; or __mbus_value " $word")
        else if test "$name" != help; and __mbus_command "$name $word" >/dev/null
            set name (__mbus_command "$name $word")
        else
            set count (math $count + 1)
        end
    end
    if test -z "$kind"
        if string match -q -- '-*' $cur
            __mbus_options $name
            __mbus_options ''
            return
        else if __mbus_names $name
            return
        end
        set -l kinds (string split ' ' -- (__mbus_argument $name))
        set -l last (count $kinds)
        if test "$kinds[$last]" = …
            set last (math $last - 1)
            test $count -ge $last; and set count (math $last - 1)
        end
        set kind $kinds[(math $count + 1)]
    end
    switch "$kind"
        case 'choices:*'
            string split , -- (string replace choices: '' -- $kind)
        case none ''
        case files
            __fish_complete_path $cur
        case folders
            __fish_complete_directories $cur
        case '*'
            mbus __complete $kind 2>/dev/null
    end
end

complete -c mbus -f -a '(__mbus_complete)'
`;
}

function lookup(name: string, table: Table): string {
  const byText = Map.groupBy(table, ([, text]) => text);
  const cases = [...byText].map(([text, entries]) =>
    `        case ${entries.map(([key]) => quoted(key)).join(" ")}
            printf '%s\\n' ${text.split("\n").map(quoted).join(" ")}`
  );
  return `function ${name}
    switch "$argv[1]"
${cases.join("\n")}
        case '*'
            return 1
    end
end`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
