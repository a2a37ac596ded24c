/**
 * A process that rings all bells of a folder, as often as a JSON line on stdin
 * says. After each time it checks that every bell was touched since the start.
 *
 * @module
 */

import { ring } from "../../lib/store/bell_files.ts";
import { TextLineStream } from "../text_lines.ts";

/** The argument of a call. */
export interface Ringing {
  readonly folder: string;
  readonly rings: number;
}

/** The result of a call. */
export interface Rung {
  /** The number of its own touches. */
  readonly touches: number;
  /** The maximum of untouched bells after one ring. */
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
    // File systems round the time down.
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
