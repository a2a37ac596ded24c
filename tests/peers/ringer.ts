/**
 * A process that rings the bells of a folder again and again, and looks after each time
 * whether all of them have been touched since it began.
 *
 * @module
 */

import { ring } from "../../lib/bell_files.ts";

/** What came of it. */
export interface Rung {
  /** How often it touched a bell itself. */
  readonly touches: number;
  /** How many bells looked untouched when it had rung, the most of all times. */
  readonly untouched: number;
}

if (import.meta.main) {
  const [folder, rings] = Deno.args;
  const bells = [...Deno.readDirSync(folder)].map(({ name }) => name);
  let [touches, untouched] = [0, 0];
  const { utimeSync } = Deno;
  Deno.utimeSync = (...args) => {
    touches++;
    utimeSync(...args);
  };
  // All begin together.
  console.log("ready");
  await Deno.stdin.read(new Uint8Array(1));
  for (let i = 0; i < Number(rings); i++) {
    // A time in seconds with a fraction is kept rounded down.
    const startedAt = Date.now() - 1;
    ring(folder, bells);
    const stale = bells.filter((bell) =>
      Deno.statSync(`${folder}/${bell}`).mtime!.getTime() < startedAt
    );
    untouched = Math.max(untouched, stale.length);
  }
  console.log(JSON.stringify({ touches, untouched } satisfies Rung));
}
