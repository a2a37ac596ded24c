/**
 * A program that only sleeps; run by idle.ts.
 *
 * @module
 */

// By then the bench has ended or was killed.
setTimeout(() => Deno.exit(), 120_000);
