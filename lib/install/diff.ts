/**
 * The change of a file as a unified diff.
 *
 * @module
 */

import { createTwoFilesPatch, OMIT_HEADERS } from "diff";
import { printCode } from "../cli/output/output.ts";
import { type Paint, paint } from "../cli/output/terminal.ts";
import { visibleCode } from "../cli/output/visible_text.ts";

const NO_FILE = "/dev/null";

/**
 * Compares two texts.
 *
 * @param path The file's path.
 * @param before Its text, undefined if there is no file.
 * @param after Its text after the change, undefined if it is removed.
 * @returns The diff, with a last line end.
 */
export function unifiedDiff(
  path: string,
  before: string | undefined,
  after: string | undefined,
): string {
  const hunks = createTwoFilesPatch(
    path,
    path,
    before ?? "",
    after ?? "",
    undefined,
    undefined,
    { context: 3, headerOptions: OMIT_HEADERS },
  );
  return `--- ${before === undefined ? NO_FILE : path}\n` +
    `+++ ${after === undefined ? NO_FILE : path}\n${hunks}`;
}

/** Prints a diff for people. */
export function printDiff(diff: string): void {
  for (const [i, line] of diff.replace(/\n$/, "").split("\n").entries()) {
    // Tabs are harmless, and part of the file's text.
    const shown = line.split("\t").map(visibleCode).join("\t");
    printCode(paint(i < 2 ? "bold" : paintOf(line), shown));
  }
}

function paintOf(line: string): Paint | undefined {
  switch (line[0]) {
    case "+":
      return "green";
    case "-":
      return "red";
    case "@":
      return "cyan";
    case "\\":
      return "dim";
    default:
      return undefined;
  }
}
