/**
 * By what a bus's file is known, apart from its tables: a process that lives for
 * one call needs no more.
 *
 * @module
 */

/** `mbus` in ASCII: the file is a message bus's. */
export const APPLICATION_ID = 0x6d627573;

/** The schema that this program writes. */
export const SCHEMA_VERSION = 2;

/** The oldest schema version whose programs can work on this file. */
export const COMPATIBLE_FROM = 1;
