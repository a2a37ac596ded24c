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

// Who has been ringing for longer asks whether somebody else has rung meanwhile. That
// takes as long as a touch (2 µs), and wakes nobody for what it has read.
const LONG_MS = 2;

/**
 * Touches bells, for what is committed by now; one whose process is gone is passed
 * over.
 *
 * Where many are rung, those who were woken first take the processor from who rings on,
 * and by the last one others are ringing, too. Whom one of them has rung since then reads
 * this as well. All begin at another bell, so that each finds much of it done.
 */
export function ring(folder: string, bells: Iterable<string>): void {
  const names = [...bells];
  const first = Math.floor(Math.random() * names.length);
  const startedAt = Date.now();
  for (let i = 0; i < names.length; i++) {
    const path = `${folder}/${names[(first + i) % names.length]}`;
    try {
      const now = Date.now();
      if (now - startedAt < LONG_MS || !wasTouched(path, startedAt, now)) {
        touch(path, now);
      }
    } catch (error) {
      // Its reader has ended, or finds at its next poll that the bell is gone.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Whether a bell was touched in between. What it says of the time was read before the touch,
 * so that this came no earlier.
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

/** Removes a bell's file; one that is gone already is fine. */
export function removeBellFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
