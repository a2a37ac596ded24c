/**
 * The writes read off PowerShell commands.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { shellWrites } from "../../lib/hooks/shell/shell.ts";
import { EMPTY_DISK, type ShellDisk } from "../../lib/hooks/shell/disk.ts";

const DISK: ShellDisk = {
  ...EMPTY_DISK,
  isFolder: (path) => path === "dir",
  isThere: (path) => /^\.\/src\/[ab]\.ts$/.test(path),
  namesIn: (path) => path === "./src/" ? ["a.ts", "b.ts"] : [],
};

/** The command and its writes; after `<`, its reads. */
type Row = readonly [string, ...(readonly string[])];

const ROWS: readonly Row[] = [
  ["Set-Content a.ts 'x > y'", "a.ts"],
  ["Set-Content -Path a.ts -Value x", "a.ts"],
  ["Set-Content -Value x -Path 'a b.ts'", "a b.ts"],
  ["set-content -LiteralPath:a.ts x", "a.ts"],
  ["Set-Content -Encoding utf8 -NoNewline a.ts x", "a.ts"],
  ["Set-Content a.ts x -WhatIf"],
  ["Set-Content a.ts @'\nrm b > c\n'@", "a.ts"],
  ["Add-Content a.ts x; Clear-Content b.ts", "a.ts", "b.ts"],
  ["'x' | Out-File -FilePath a.ts -Append", "a.ts"],
  ["Get-Process | Tee-Object a.ts", "a.ts"],
  ["$x | Export-Csv a.csv -NoTypeInformation", "a.csv"],
  ["'x' > a.ts", "a.ts"],
  ["x >> a.ts 2> b.ts *> c.ts 2>&1 > $null", "a.ts", "b.ts", "c.ts"],
  ["Remove-Item -Recurse -Force src\\a.ts, b.ts", "src/a.ts", "b.ts"],
  ["rm a.ts; del b.ts; ri c.ts", "a.ts", "b.ts", "c.ts"],
  ["Remove-Item src/*.ts", "src/a.ts", "src/b.ts"],
  ["Remove-Item -LiteralPath 'x[1].ts'", "x[1].ts"],
  ["Copy-Item a.ts b.ts", "b.ts"],
  ["Copy-Item a.ts dir", "dir/a.ts"],
  ["Copy-Item -Path a.ts -Destination dir/b.ts -Force", "dir/b.ts"],
  ["Copy-Item -Path a.ts dir", "dir/a.ts"],
  ["cp x\\a.ts", "./a.ts"],
  ["Move-Item a.ts b.ts", "a.ts", "b.ts"],
  ["mv a.ts -Dest dir", "a.ts", "dir/a.ts"],
  ["Rename-Item src\\a.ts c.ts", "src/a.ts", "src/c.ts"],
  ["New-Item -Path src -Name c.ts -ItemType File", "src/c.ts"],
  ["ni a.ts", "a.ts"],
  ["New-Item -ItemType Directory new; cp a.ts new", "new/a.ts"],
  ["[System.IO.File]::WriteAllText('a.ts', $x)", "a.ts"],
  ['[IO.File]::Copy("a.ts", "b.ts")', "b.ts"],
  ["[IO.File]::ReadAllText('a.ts')"],
  ["Set-Location src; Set-Content a.ts x", "src : a.ts"],
  ["cd src\\deep && sc a.ts x", "src/deep : a.ts"],
  [
    "Set-Content ~/a.ts x; sc $HOME\\b.ts y",
    "/home/dev/a.ts",
    "/home/dev/b.ts",
  ],
  ["Set-Content C:\\x\\a.ts y", "C:/x/a.ts"],
  [
    'if (Test-Path a.ts) { Remove-Item a.ts } else { "x" > b.ts }',
    "a.ts",
    "b.ts",
  ],
  ["Invoke-Expression 'rm a.ts'", "a.ts"],
  ["& git checkout -- a.ts", "a.ts"],
  ["git.exe rm a.ts", "a.ts"],
  ["bash -c 'echo x > a.ts'", "a.ts"],
  ["$r = Remove-Item a.ts", "a.ts"],
  ["# Set-Content a.ts x\n<# sc b.ts y #> sc c.ts z", "c.ts"],
  ["Set-Content `\n  a.ts x", "a.ts"],
  ["Write-Output 'it''s > fine' \"a `\" > b\""],
  ["Get-Content a.ts", "< a.ts"],
  ["cat a.ts | Select-Object -First 5", "< a.ts"],
  ["Get-Content -Path a.ts -TotalCount 3", "< a.ts"],
  ["Select-String foo a.ts", "< a.ts"],
  ["sls -Pattern foo -Path a.ts", "< a.ts"],
  ["Get-Content a.ts > b.ts", "b.ts"],
  ["$x = Get-Content a.ts"],
];

for (const [command, ...expected] of ROWS) {
  Deno.test(`PowerShell: ${JSON.stringify(command)}`, () => {
    const { writes, reads } = shellWrites(command, {
      syntax: "powershell",
      disk: DISK,
      home: "/home/dev",
    });
    const spelled = ({ path, base }: { path: string; base?: string }) =>
      base === undefined ? path : `${base} : ${path}`;
    const found = [
      ...writes.map(spelled),
      ...reads.map((read) => `< ${spelled(read)}`),
    ];
    assert.deepEqual(found, expected);
  });
}

Deno.test("PowerShell's commands are read in other shells, and behind pwsh", () => {
  for (
    const command of [
      "Set-Content a.ts x",
      "pwsh -NoProfile -Command 'rm a.ts'",
      "pwsh -c rm a.ts",
      "powershell.exe -Command \"Set-Content a.ts 'x'\"",
      "powershell 'del a.ts'",
    ]
  ) {
    const { writes } = shellWrites(command);
    assert.deepEqual(writes, [{ path: "a.ts" }], command);
  }
  assert.equal(shellWrites("pwsh -File a.ps1 b").writes.length, 0);
});

Deno.test("PowerShell: a word with a variable is unknown", () => {
  for (
    const command of [
      "Set-Content $f x",
      'Set-Content "$d/a.ts" x',
      "Set-Content ${f} x",
      'x > "$(Get-Name).ts"',
    ]
  ) {
    const found = shellWrites(command, { syntax: "powershell" });
    assert.deepEqual(found.writes, [], command);
    assert.equal(found.unknown, true, command);
  }
});

Deno.test("PowerShell: shellWrites() throws for no text", () => {
  const pieces = fc.constantFrom(
    ..."'\"`$(){};|&,#>*@~\n -",
    "<#",
    "#>",
    "@'\n",
    "\n'@",
    "Set-Content",
    "Copy-Item",
    "-Path",
    "-Path:",
    "a",
    "\\",
    "[IO.File]::Copy(",
    "2>",
    "iex",
  );
  const commands = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join("")),
    fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(" ")),
  );
  const property = fc.property(commands, (command) => {
    const { writes, reads } = shellWrites(command, { syntax: "powershell" });
    for (const { path } of [...writes, ...reads]) {
      assert.ok(path !== "" && !path.includes("\0"));
    }
  });
  fc.assert(property, { numRuns: 2000 });
});
