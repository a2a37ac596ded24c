/**
 * The files of bells: a publisher may skip a bell that another publisher touches at the
 * same time, and no bell stays untouched.
 */

import assert from "node:assert/strict";
import { ring } from "../lib/store/bell_files.ts";
import { Peer } from "./peer.ts";
import type { Ringing, Rung } from "./peers/ringer.ts";

const RINGER = new URL("./peers/ringer.ts", import.meta.url).pathname;

// Touching so many bells takes far longer than the time before the first check.
const BELLS = 5_000;
const BELL_NAMES = Array.from({ length: BELLS }, (_, i) => `1-${i}`);

async function withBells(
  work: (folder: string) => Promise<void> | void,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const bell of BELL_NAMES) {
      Deno.writeTextFileSync(`${folder}/${bell}`, "");
    }
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function touchAll(folder: string, seconds: number): void {
  for (const bell of BELL_NAMES) {
    Deno.utimeSync(`${folder}/${bell}`, seconds, seconds);
  }
}

function touchTimes(folder: string): number[] {
  return BELL_NAMES.map((bell) =>
    Deno.statSync(`${folder}/${bell}`).mtime!.getTime()
  );
}

Deno.test("ring() skips bells that other publishers touch, and leaves none untouched", async () => {
  await withBells(async (folder) => {
    const rings = 10;
    const ringers = [1, 2, 3].map(() => new Peer({ script: RINGER }));
    const ringAll = (ringing: Ringing) =>
      Promise.all(ringers.map((each) => each.call<Rung>("ring", ringing)));
    // All processes are ready before the first begins.
    await ringAll({ folder, rings: 0 });
    const rung = await ringAll({ folder, rings });
    await Promise.all(ringers.map((each) => each.end()));
    for (const { untouched } of rung) {
      // Each other process may have paused between reading the clock and its touch, which
      // then set back the mtime of a touched bell.
      assert.ok(untouched < ringers.length, `${untouched} untouched`);
    }
    if (Deno.build.os === "linux") {
      const touches = rung.reduce((sum, each) => sum + each.touches, 0);
      assert.ok(touches < ringers.length * rings * BELLS, `${touches} touches`);
      assert.ok(touches >= BELLS);
    }
  });
});

Deno.test("ring() touches bells with an earlier or a future mtime", async () => {
  await withBells((folder) => {
    for (const hours of [-1, 1]) {
      touchAll(folder, Date.now() / 1_000 + hours * 3_600);
      const before = Date.now() - 1;
      ring(folder, BELL_NAMES);
      const after = Date.now();
      assert.equal(
        touchTimes(folder).filter((at) => at < before || at > after).length,
        0,
      );
    }
  });
});

Deno.test("ring() touches the other bells if one is missing", async () => {
  await withBells((folder) => {
    touchAll(folder, 1);
    const gone = BELL_NAMES.filter((_, i) => i % 2 === 0);
    for (const bell of gone) Deno.removeSync(`${folder}/${bell}`);
    ring(folder, BELL_NAMES);
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert.equal(left.length, BELLS - gone.length);
    for (const bell of left) {
      assert.ok(Deno.statSync(`${folder}/${bell}`).mtime!.getTime() > 1_000);
    }
  });
});
