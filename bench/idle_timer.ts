/**
 * A program whose timer does nothing four times a second, as often as a
 * subscriber looks whether it missed something; run by idle.ts.
 *
 * @module
 */

// By then the bench is over, or was killed.
setTimeout(() => Deno.exit(), 120_000);
setInterval(() => {}, 250);
