/**
 * Tables of the documentation that are made from the commands: `deno task docs`
 * writes them, and a test compares.
 *
 * @module
 */

import { GROUPS, namesIn, rowOf } from "../lib/cli/command_table.ts";
import { allCommands } from "../lib/cli/help.ts";
import { fieldsOf } from "../lib/cli/json_fields.ts";
import { ENVIRONMENT, EXIT_CODES } from "../lib/cli/help_topics.ts";

/** Pages with tables. */
export const PAGES: readonly string[] = ["docs/commands.md", "docs/json.md"];

/** Returns the tables, by their names. */
async function tables(): Promise<ReadonlyMap<string, string>> {
  const commands = await allCommands();
  const json = commands.flatMap(({ name, json = [] }) =>
    json.map((line) =>
      `- \`${name}\`${line.when === undefined ? "" : `, ${line.when}`}: ${
        fieldsOf(line).map((field) =>
          `\`${field.replace("?", "")}\`${field.endsWith("?") ? "?" : ""}`
        )
          .join(", ")
      }`
    )
  );
  return new Map([
    [
      "commands",
      Object.entries(GROUPS).map(([group, title]) =>
        `### ${title}\n\n` + table(
          ["Command", "Also", "What it does"],
          namesIn().flatMap((name) => [name, ...namesIn(name)])
            .filter((name) => rowOf(name).group === group)
            .map((name) => [
              `\`mbus ${name}\``,
              (rowOf(name).aliases ?? []).map((alias) => `\`${alias}\``)
                .join(", "),
              rowOf(name).summary,
            ]),
        )
      ).join("\n\n"),
    ],
    ["exit codes", table(["Code", "Meaning"], Object.entries(EXIT_CODES))],
    [
      "environment",
      table(
        ["Variable", "Meaning"],
        Object.entries(ENVIRONMENT).map((
          [name, text],
        ) => [`\`${name}\``, text]),
      ),
    ],
    ["json", json.join("\n")],
  ]);
}

/** Returns a page with its tables as the code has them now. */
export async function withTables(page: string): Promise<string> {
  const all = await tables();
  return page.replaceAll(
    /(<!-- table: (.*?) -->).*?(<!-- end -->)/gs,
    (_, start: string, name: string, end: string) => {
      const text = all.get(name);
      if (text === undefined) {
        throw new Error(`Cannot make the table "${name}".`);
      }
      return `${start}\n\n${text}\n\n${end}`;
    },
  );
}

function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(headings.map(() => "---"));
  return [line(headings), rule, ...rows.map(line)].join("\n");
}

if (import.meta.main) {
  for (const path of PAGES) {
    const text = await withTables(Deno.readTextFileSync(path));
    Deno.writeTextFileSync(path, text);
  }
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", ...PAGES],
  }).spawn().status;
}
