/**
 * Defects in a copy of the checkout, to prove that the tests of this folder
 * find them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { run } from "../fixture.ts";
import { type Defect, putDefects } from "./defect.ts";

/** A defect, and the test that finds it. */
export interface SeededDefect extends Defect {
  /** The fault, as a clause. */
  readonly name: string;
  /** The file of the test in this folder. */
  readonly test: string;
  /** The name of that test, or a part of it. */
  readonly filter: string;
  /** A pattern of the test's output. */
  readonly says: RegExp;
}

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);
const COPIED = ["lib", "tests", "mod.ts", "cli.ts", "deno.json", "deno.lock"];

/** Asserts that a test fails on a library with a defect, for that reason. */
export async function assertFound(defect: SeededDefect): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mbus-defect-" });
  try {
    const files = COPIED.map((name) => `${ROOT}${name}`);
    await run("cp", ["-r", ...files, folder]);
    await putDefects([defect], folder);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--no-check",
        "--cached-only",
        "--allow-all",
        "--filter",
        defect.filter,
        `tests/reliability/${defect.test}`,
      ],
      cwd: folder,
      env: { NO_COLOR: "1", MBUS_SOAK: "" },
    }).output();
    const output = new TextDecoder().decode(stdout) +
      new TextDecoder().decode(stderr);
    assert.notEqual(code, 0, `not found:\n${output}`);
    // The test ran, and failed by its assertion.
    assert.match(output, /\| \d+ passed.* \| 1 failed|\| 0 passed \| 1 failed/);
    assert.match(output, defect.says);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Registers a test for each defect. */
export function testDefects(defects: readonly SeededDefect[]): void {
  for (const defect of defects) {
    Deno.test({
      name: `a test finds that ${defect.name}`,
      ignore: Deno.build.os !== "linux",
      fn: () => assertFound(defect),
    });
  }
}
