/**
 * The numbers that identify a bus's file, without the tables, because a one-shot
 * process does not load those.
 *
 * @module
 */

/** The application id of a bus's file: `mbus` in ASCII. */
export const APPLICATION_ID = 0x6d627573;

/** The schema version that this program writes. */
export const SCHEMA_VERSION = 4;

/** The oldest schema version whose programs can use such a file. */
export const COMPATIBLE_FROM = 1;
