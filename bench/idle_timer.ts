/**
 * A program with an empty timer at the interval of the safety poll; run by
 * idle.ts.
 *
 * @module
 */

// By then the bench has ended or was killed.
setTimeout(() => Deno.exit(), 120_000);
setInterval(() => {}, 250);
