/**
 * What a command itself refuses, where the library has no objection.
 *
 * @module
 */

import { MessageBusError } from "../model/errors.ts";

/** A command that fits, but that the state of things refuses now. */
export class RefusalError extends MessageBusError {
  /** Makes the error; `message` is a whole sentence. */
  constructor(message: string, options?: ErrorOptions) {
    super("RefusalError", "state", message, options);
  }
}
