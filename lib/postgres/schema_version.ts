/**
 * Versions and names of the schema in PostgreSQL.
 *
 * @module
 */

/** The schema version of this program. */
export const SCHEMA_VERSION = 6;

/** The oldest schema version whose programs can work on this one. */
export const COMPATIBLE_FROM = 1;

/** The oldest supported major version of the server. */
export const SERVER_VERSION_MIN = 14;

/** The name of the schema unless the URL names another. */
export const DEFAULT_SCHEMA = "message_bus";
