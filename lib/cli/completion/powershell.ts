/**
 * Script of `mbus completion` for PowerShell.
 *
 * @module
 */

import type { CompletionTables, Table } from "./tables.ts";

/** Returns the script for PowerShell. */
export function powershellScript(tables: CompletionTables): string {
  return `# PowerShell completion of mbus. Load it with:
#   mbus completion powershell | Out-String | Invoke-Expression
$script:MbusCommand = ${hashtable(tables.command)}
$script:MbusValue = ${hashtable(tables.value)}
$script:MbusArgument = ${hashtable(tables.argument)}
$script:MbusOptions = ${hashtable(tables.options)}
$script:MbusNames = ${hashtable(tables.names)}

Register-ArgumentCompleter -Native -CommandName mbus -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $name = ''
    $kind = ''
    $count = 0
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.ToString() })
    foreach ($word in $words) {
        if ($kind -ne '') {
            $kind = ''
        } elseif ($word -like '-?*') {
            foreach ($key in "$name $word", " $word") {
                if ($kind -eq '' -and $script:MbusValue.ContainsKey($key)) {
                    $kind = $script:MbusValue[$key]
                }
            }
        } elseif ($name -ne 'help' -and $script:MbusCommand.ContainsKey("$name $word")) {
            $name = $script:MbusCommand["$name $word"]
        } else {
            $count++
        }
    }
    $lines = ''
    if ($kind -eq '') {
        if ($wordToComplete -like '-*') {
            $lines = @($script:MbusOptions[$name], $script:MbusOptions['']) -join "\`n"
        } elseif ($script:MbusNames.ContainsKey($name)) {
            $lines = $script:MbusNames[$name]
        } elseif ($script:MbusArgument.ContainsKey($name)) {
            $kinds = @($script:MbusArgument[$name] -split ' ')
            if ($kinds[-1] -eq '*') {
                $kinds = @($kinds[0..($kinds.Length - 2)])
                $count = [Math]::Min($count, $kinds.Length - 1)
            }
            $kind = $kinds[$count]
        }
    }
    if ($kind -like 'choices:*') {
        $lines = $kind.Substring(8) -replace ',', "\`n"
    } elseif ($kind -and $kind -notin 'none', 'files', 'folders') {
        $lines = (& mbus __complete $kind 2>$null) -join "\`n"
    }
    foreach ($line in $lines -split "\`n") {
        $value, $help = $line -split "\`t", 2
        if (-not $value -or -not $value.StartsWith($wordToComplete)) { continue }
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new(
            $value, $value, 'ParameterValue', $help)
    }
}
`;
}

function hashtable(table: Table): string {
  const entries = [...table].map(([key, text]) =>
    `    ${quoted(key)} = ${quoted(text.replace(/ …$/, " *"))}`
  );
  return `@{\n${entries.join("\n")}\n}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
