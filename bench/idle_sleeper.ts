/**
 * A program that only sleeps, in a process of its own; run by idle.ts.
 *
 * @module
 */

// By then the bench is over, or was killed.
setTimeout(() => Deno.exit(), 120_000);
