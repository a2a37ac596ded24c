/**
 * The files of bells. A touch of a bell wakes the process that watches the file.
 *
 * The store decides which bells to touch. On Linux a change of the file's times is an
 * event. On other platforms a byte is written and the file closed.
 *
 * @module
 */

/** Returns a unique name for a bell of this process. */
export function newBellName(): string {
  return `${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
}

// Time after which each bell is checked before its touch. A check takes as long as a
// touch, but wakes no reader twice.
const CHECK_AFTER_MS = 2;

/**
 * Touches each bell, after a commit. A missing bell is skipped.
 *
 * With many readers this takes tens of milliseconds, during which other publishers touch
 * the same bells. After 2 ms each bell is checked first and skipped if its mtime is later
 * than our start, because that reader was woken after our commit. Publishers start at a
 * random bell so that they skip different ones.
 */
export function ring(folder: string, bells: Iterable<string>): void {
  const names = [...bells];
  const first = Math.floor(Math.random() * names.length);
  const startedAt = Date.now();
  for (let i = 0; i < names.length; i++) {
    const path = `${folder}/${names[(first + i) % names.length]}`;
    try {
      const now = Date.now();
      if (
        now - startedAt < CHECK_AFTER_MS || !wasTouched(path, startedAt, now)
      ) {
        touch(path, now);
      }
    } catch (error) {
      // The reader has ended, or its next poll finds that the bell is missing.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Returns whether a bell was touched between two times. A publisher reads the clock before
 * its touch, so the touch is not earlier than the mtime.
 */
function wasTouched(path: string, after: number, until: number): boolean {
  const touchedAt = Deno.statSync(path).mtime?.getTime() ?? 0;
  return after < touchedAt && touchedAt <= until;
}

function touch(path: string, now: number): void {
  if (Deno.build.os === "linux") {
    Deno.utimeSync(path, now / 1000, now / 1000);
  } else {
    Deno.writeFileSync(path, ONE_BYTE, { create: false });
  }
}

const ONE_BYTE = new Uint8Array([1]);

/** Removes a bell's file, if it exists. */
export function removeBellFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
