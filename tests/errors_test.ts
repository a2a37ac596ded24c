import assert from "node:assert/strict";
import {
  InvalidInputError,
  LimitError,
  MessageBusError,
} from "../lib/model/errors.ts";

Deno.test("an error of another copy of the library is a MessageBusError", async () => {
  const url = new URL("../lib/model/errors.ts?copy", import.meta.url).href;
  const copy: typeof import("../lib/model/errors.ts") = await import(url);
  const error = new copy.InvalidInputError("channel", "Cannot.");
  assert.notEqual(copy.InvalidInputError, InvalidInputError);
  assert.ok(error instanceof MessageBusError);
  assert.ok(new InvalidInputError("x", "Cannot.") instanceof MessageBusError);
  assert.ok(new InvalidInputError("x", "Cannot.") instanceof InvalidInputError);
  assert.ok(!(new InvalidInputError("x", "Cannot.") instanceof LimitError));
  for (const other of [new Error("x"), { kind: "input" }, null, undefined, 1]) {
    assert.ok(!(other instanceof MessageBusError));
  }
});
