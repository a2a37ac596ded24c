/**
 * A process that rings all bells of a folder, as often as a line of JSON on stdin says, and
 * looks after each time whether all of them have been touched since it began.
 *
 * @module
 */

import { ring } from "../../lib/store/bell_files.ts";
import { TextLineStream } from "../text_lines.ts";

/** What to ring. */
export interface Ringing {
  readonly folder: string;
  readonly rings: number;
}

/** What came of it. */
export interface Rung {
  /** How often it touched a bell itself. */
  readonly touches: number;
  /** How many bells looked untouched when it had rung, the most of all times. */
  readonly untouched: number;
}

function ringAgain({ folder, rings }: Ringing): Rung {
  const bells = [...Deno.readDirSync(folder)].map(({ name }) => name);
  let [touches, untouched] = [0, 0];
  const { utimeSync } = Deno;
  Deno.utimeSync = (...args) => {
    touches++;
    utimeSync(...args);
  };
  for (let i = 0; i < rings; i++) {
    // A time in seconds with a fraction is kept rounded down.
    const startedAt = Date.now() - 1;
    ring(folder, bells);
    const stale = bells.filter((bell) =>
      Deno.statSync(`${folder}/${bell}`).mtime!.getTime() < startedAt
    );
    untouched = Math.max(untouched, stale.length);
  }
  Deno.utimeSync = utimeSync;
  return { touches, untouched };
}

if (import.meta.main) {
  const lines = Deno.stdin.readable
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const { id, args } = JSON.parse(line);
    console.log(JSON.stringify({ id, result: ringAgain(args) }));
  }
}
