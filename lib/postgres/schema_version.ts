/**
 * By what a bus's schema in PostgreSQL is known, apart from its tables.
 *
 * @module
 */

/** The schema that this program writes. */
export const SCHEMA_VERSION = 4;

/** The oldest schema version whose programs can work on this one. */
export const COMPATIBLE_FROM = 1;

/** The oldest server that is supported. */
export const SERVER_VERSION_MIN = 14;

/** The PostgreSQL schema that a bus lives in unless the URL names another. */
export const DEFAULT_SCHEMA = "message_bus";
