/**
 * A stand-in for `@db/sqlite` 0.13, over the SQLite of the runtime.
 *
 * It has the part that the driver uses, with the properties in which `@db/sqlite`
 * differs from `node:sqlite`:
 *
 * - JSON from SQLite's functions is returned parsed, unless `parseJson` is false.
 * - Integers are bound as such. They are read with 32 bits, unless `int64` is true.
 * - `file:` URIs are paths, unless `flags` say otherwise.
 * - `lastInsertRowId` has 32 bits.
 * - Errors have SQLite's message and no code. Only those of opening and of
 *   `finalize()` have one.
 * - Statements end with their database, and the library holds a resource for good.
 *
 * SQLite's subtypes cannot be read here. So each computed text is taken for JSON that
 * is an array or an object.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { fileURLToPath } from "node:url";

// The types of the runtime lack this method.
type ArrayStatement = StatementSync & {
  setReturnArrays(arrays: boolean): void;
};

type Value = null | number | bigint | string | Uint8Array;

/** The options that the driver may pass. */
export interface DatabaseOpenOptions {
  readonly readonly?: boolean;
  readonly create?: boolean;
  readonly flags?: number;
  readonly int64?: boolean;
  readonly parseJson?: boolean;
}

const OPEN_READONLY = 0x01;
const OPEN_READWRITE = 0x02;
const OPEN_CREATE = 0x04;
const OPEN_URI = 0x40;

const ERROR_CANTOPEN = 14;
const ERROR_MISUSE = 21;

// The native library is loaded with the module and never unloaded, which the leak
// sanitizer of tests reports like an open file.
Deno.openSync(fileURLToPath(import.meta.url));

/** An error that has a result code. */
export class SqliteError extends Error {
  override readonly name = "SqliteError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** An open database. */
export class Database {
  readonly #db: DatabaseSync;
  readonly #options: DatabaseOpenOptions;

  constructor(path: string, options: DatabaseOpenOptions = {}) {
    this.#options = options;
    const flags = options.flags ??
      (options.readonly
        ? OPEN_READONLY
        : OPEN_READWRITE | (options.create ?? true ? OPEN_CREATE : 0));
    const isUri = path.startsWith("file:");
    const cannotOpen = (isUri && (flags & OPEN_URI) === 0) ||
      (!isUri && (flags & OPEN_CREATE) === 0 && !exists(path));
    try {
      if (cannotOpen) throw new Error("unable to open database file");
      this.#db = new DatabaseSync(path, {
        readOnly: (flags & OPEN_READONLY) !== 0,
        timeout: 0,
      });
    } catch (error) {
      if (!/unable to open database file/.test(String(error))) throw error;
      throw new SqliteError(ERROR_CANTOPEN, "unable to open database file");
    }
  }

  get lastInsertRowId(): number {
    const statement = this.#db.prepare("SELECT last_insert_rowid() AS id");
    statement.setReadBigInts(true);
    return Number(BigInt.asIntN(32, statement.get()!.id as bigint));
  }

  exec(sql: string): number {
    return withoutCode(() => {
      this.#db.exec(sql);
      return Number(this.#db.prepare("SELECT changes() AS n").get()!.n);
    });
  }

  prepare(sql: string): Statement {
    const statement = withoutCode(() => this.#db.prepare(sql));
    return new Statement(statement, this.#options);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

/** A prepared statement. */
export class Statement {
  readonly #statement: StatementSync;
  readonly #int64: boolean;
  readonly #parsesJson: boolean;
  #isFinalized = false;
  // The result code of the last call, if it failed.
  #code = 0;

  constructor(statement: StatementSync, options: DatabaseOpenOptions) {
    this.#statement = statement;
    this.#int64 = options.int64 ?? false;
    this.#parsesJson = options.parseJson ?? true;
    statement.setReadBigInts(true);
    (statement as ArrayStatement).setReturnArrays(true);
  }

  run(...values: Value[]): number {
    return this.#call((statement) =>
      Number(statement.run(...values.map(bound)).changes)
    );
  }

  get(...values: Value[]): Record<string, Value> | undefined {
    return this.all(...values)[0];
  }

  all(...values: Value[]): Record<string, Value>[] {
    const names = this.#statement.columns().map(({ name }) => name);
    return this.values(...values).map((row) =>
      Object.fromEntries(row.map((value, i) => [names[i], value]))
    );
  }

  values(...values: Value[]): Value[][] {
    const rows = this.#call((statement) =>
      statement.all(...values.map(bound)) as unknown as Value[][]
    );
    const columns = this.#statement.columns();
    return rows.map((row) =>
      row.map((value, i) => this.#read(value, columns[i].column === null))
    );
  }

  finalize(): void {
    if (this.#isFinalized) return;
    this.#isFinalized = true;
    if (this.#code !== 0) throw new SqliteError(this.#code, "failed");
  }

  #call<T>(work: (statement: StatementSync) => T): T {
    if (this.#isFinalized) throw misuse();
    this.#code = 0;
    return withoutCode(() => work(this.#statement), (code) => {
      // Extended result codes are off.
      this.#code = code & 0xff;
    });
  }

  #read(value: Value, isComputed: boolean): Value {
    if (typeof value === "bigint") {
      if (!this.#int64) return Number(BigInt.asIntN(32, value));
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    }
    if (
      typeof value !== "string" || !this.#parsesJson || !isComputed ||
      !/^[[{]/.test(value)
    ) return value;
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  }
}

function bound(value: Value): Value {
  return Number.isInteger(value) ? BigInt(value as number) : value;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function misuse(): SqliteError {
  return new SqliteError(ERROR_MISUSE, "SQLite3 API misuse");
}

/** Calls `work`. An SQLite error then has only its message. */
function withoutCode<T>(work: () => T, failed?: (code: number) => void): T {
  try {
    return work();
  } catch (error) {
    const { code, errcode, message } = error as Error & {
      code?: string;
      errcode?: number;
    };
    // The statement was finalized with its database.
    if (code === "ERR_INVALID_STATE") throw misuse();
    if (code !== "ERR_SQLITE_ERROR") throw error;
    if (errcode !== undefined) failed?.(errcode);
    throw new Error(message.replace(/ in [^]* at offset \d+$/, ""));
  }
}
