/**
 * Bells as files: touching one wakes the process that watches it.
 *
 * What a bell means, and who rings which, is the store's.
 *
 * The platform's differences are in `touch` alone: on Linux a change of times
 * is an event (1 to 2 µs); elsewhere a byte is written and the file closed.
 *
 * @module
 */

/** A name for a bell of this process that no other has. */
export function newBellName(): string {
  return `${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
}

/** Touches bells; one whose process is gone is passed over. */
export function ring(folder: string, bells: Iterable<string>): void {
  for (const bell of bells) {
    try {
      touch(`${folder}/${bell}`);
    } catch (error) {
      // Its reader has ended, or finds at its next poll that the bell is gone.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function touch(path: string): void {
  if (Deno.build.os === "linux") {
    const now = Date.now() / 1000;
    Deno.utimeSync(path, now, now);
  } else {
    Deno.writeFileSync(path, ONE_BYTE, { create: false });
  }
}

const ONE_BYTE = new Uint8Array([1]);

/** Removes a bell's file; one that is gone already is fine. */
export function removeBellFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
