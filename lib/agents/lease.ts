/**
 * How long a hook's lock holds.
 *
 * @module
 */

/**
 * The lease of the advisory lock on an edited file, in milliseconds. It is
 * renewed by touching that file and by nothing else, or warnings would become
 * noise.
 */
export const LEASE_MS: number = 10 * 60 * 1000;
