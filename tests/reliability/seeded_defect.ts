/**
 * Defects put into a copy of the checkout on purpose, to show that the tests
 * beside this find them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { run } from "../fixture.ts";
import { type Defect, putDefects } from "./defect.ts";

/** A defect, and the test that finds it. */
export interface SeededDefect extends Defect {
  /** What is wrong then. */
  readonly name: string;
  /** The file of the test that finds it, in this folder. */
  readonly test: string;
  /** The name of that test, or a part of it. */
  readonly filter: string;
  /** What the test says then. */
  readonly says: RegExp;
}

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);
const COPIED = ["lib", "tests", "mod.ts", "cli.ts", "deno.json", "deno.lock"];

/** Fails unless a test fails, and says why, on a library with a defect. */
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
    const told = new TextDecoder().decode(stdout) +
      new TextDecoder().decode(stderr);
    assert.notEqual(code, 0, `not found:\n${told}`);
    // It has run, and failed by what it asserts.
    assert.match(told, /\| \d+ passed.* \| 1 failed|\| 0 passed \| 1 failed/);
    assert.match(told, defect.says);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A test for each defect. */
export function testDefects(defects: readonly SeededDefect[]): void {
  for (const defect of defects) {
    Deno.test({
      name: `it is found that ${defect.name}`,
      ignore: Deno.build.os !== "linux",
      fn: () => assertFound(defect),
    });
  }
}
