/**
 * The rows of sessions, locks and tasks: their columns have the same names and
 * forms in every store that has columns.
 *
 * @module
 */

/** The columns of a row, as any driver may give them. */
export type Columns = Readonly<Record<string, unknown>>;
