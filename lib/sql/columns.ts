/**
 * The columns of a row, which have the same names and types in all SQL stores.
 *
 * @module
 */

/** The columns of a row by name, as any driver returns them. */
export type Columns = Readonly<Record<string, unknown>>;
