/**
 * Error of a command that the current state does not allow.
 *
 * @module
 */

import { MessageBusError } from "../model/errors.ts";

/** A valid command that the current state does not allow: exit code 1. */
export class RefusalError extends MessageBusError {
  /** Creates the error; `message` is one or more sentences with the remedy. */
  constructor(message: string, options?: ErrorOptions) {
    super("RefusalError", "state", message, options);
  }
}
