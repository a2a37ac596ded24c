/**
 * Inputs of the library: payloads, globs, paths, names and whole messages.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Json, MessageBusError, openBus } from "../../mod.ts";
import {
  fileGlob,
  type Glob,
  GlobSyntaxError,
  matches,
  overlaps,
  parseGlob,
  witness,
} from "../../lib/glob/glob.ts";
import { decodePayload, encodePayload } from "../../lib/model/json.ts";
import { lockTarget } from "../../lib/path/lock_target.ts";
import {
  assertUnpolluted,
  awkwardText,
  type Target,
  target,
  type TargetMaker,
} from "./inputs.ts";

const BYTES_MAX = 65_536;

/** Asserts that an error is a documented one, with a sentence. */
export function assertRefusal(error: unknown): void {
  assert.ok(error instanceof MessageBusError, String((error as Error)?.stack));
  assert.match(error.message, /^Cannot /);
}

const anyValue = fc.oneof(
  fc.jsonValue(),
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
  fc.array(awkwardText, { maxLength: 3 }),
  fc.dictionary(awkwardText, awkwardText, { maxKeys: 3 }),
);

function payloads(): Target {
  return target("payloads", 240, anyValue, (value) => {
    let text: string;
    try {
      text = encodePayload("a", value as Json, BYTES_MAX);
    } catch (error) {
      assertRefusal(error);
      return;
    }
    // An accepted payload equals its JSON, and is decoded as that.
    assert.equal(text, JSON.stringify(value));
    if (isReadRight(text)) {
      assert.equal(JSON.stringify(decodePayload(text)), text);
    }
    assertUnpolluted();
  });
}

const ESCAPE_IN_KEY = /\\.(?:[^"\\]|\\.)*":/;

/**
 * Returns whether the runtime parses a text correctly. V8 15.0 of Deno 2.9.6
 * confuses a key that has an escape with an earlier key that ends in a
 * backslash at the escape's position: {"a":1,"\\":1} and then {"a":1,"\"":1}.
 */
function isReadRight(text: string): boolean {
  return !ESCAPE_IN_KEY.test(text) || JSON.stringify(JSON.parse(text)) === text;
}

const storedValues = fc.oneof(
  awkwardText,
  fc.json(),
  fc.uint8Array({ maxLength: 30 }),
  fc.constantFrom(null, 0, -1, 1.5, 2 ** 53, Infinity, 2n ** 63n - 1n),
);

function storedPayloads(): Target {
  return target("stored payloads", 100, storedValues, (stored) => {
    const decoded = decodePayload(stored);
    // The decoded value is valid JSON.
    assert.notEqual(JSON.stringify(decoded), undefined);
    assertUnpolluted();
  });
}

const patternText = fc.oneof(
  awkwardText,
  fc.string({ unit: fc.constantFrom(..."ab/*?[]{}\\,!^-."), maxLength: 24 }),
);

function parse(text: string): Glob | undefined {
  try {
    return parseGlob(text);
  } catch (error) {
    if (!(error instanceof GlobSyntaxError)) throw error;
    return undefined;
  }
}

function globs(): Target {
  const inputs = fc.tuple(patternText, patternText);
  return target("globs", 150, inputs, ([left, right]) => {
    const [a, b] = [parse(left), parse(right)];
    if (a === undefined || b === undefined) return;
    const meet = overlaps(a, b);
    assert.equal(overlaps(b, a), meet);
    const common = witness(a, b);
    assert.equal(common !== undefined, meet);
    if (common === undefined) return;
    assert.ok(matches(a, common) && matches(b, common), common);
    assert.ok(overlaps(fileGlob(common), a) && overlaps(fileGlob(common), b));
  });
}

function paths(folder: string): Target {
  const inputs = fc.oneof(
    awkwardText,
    patternText,
    awkwardText.map((text) => `${folder}/${text}`),
    fc.array(
      fc.constantFrom("..", ".", "", "link", "loop", "dir", "file", "ü", "*"),
      { maxLength: 8 },
    ).map((parts) => parts.join("/")),
  );
  Deno.mkdirSync(`${folder}/dir`);
  Deno.writeTextFileSync(`${folder}/file`, "");
  Deno.symlinkSync("dir", `${folder}/link`);
  Deno.symlinkSync("loop", `${folder}/loop`);
  return target("paths", 100, inputs, (path) => {
    let found;
    try {
      found = lockTarget(path, folder);
    } catch (error) {
      assertRefusal(error);
      return;
    }
    const isPath = found.kind !== "name";
    assert.ok(found.path.startsWith(isPath ? "/" : "@"), found.path);
    assert.ok(!found.path.includes("\0"));
    // The path of a target gives the same target again.
    const again = lockTarget(found.path, "/");
    if (found.kind === "file") assert.equal(again.disk.text, found.disk.text);
  });
}

/** Messages with random parts, published and polled on a real bus. */
async function messages(folder: string): Promise<Target> {
  const bus = await openBus({
    home: `${folder}/bus`,
    project: null,
    session: "fuzz",
    publishesPerSecondMax: 1e9,
    warn: () => {},
  });
  let cursor: string | undefined;
  const seldom = fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: awkwardText },
  );
  const inputs = fc.record({
    channel: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom("state", "a", "é.b-c/d") },
      { weight: 1, arbitrary: awkwardText },
    ),
    payload: anyValue,
    options: fc.record({
      ttlSeconds: fc.oneof(fc.constantFrom(60, 1e-9, -1, NaN, 1e9), fc.float()),
      project: fc.oneof(
        fc.constantFrom(null, "/project", "a\0b", "\0"),
        awkwardText,
      ),
      // Seldom, because most of them are rejected.
      to: seldom,
      replyTo: seldom,
    }, { requiredKeys: ["to", "replyTo"] }),
  });
  return target("messages", 50, inputs, async (input) => {
    const { channel, payload, options } = input;
    let id: string | undefined;
    try {
      ({ id } = await bus.publish(channel, payload as Json, options));
    } catch (error) {
      assertRefusal(error);
    }
    const page = await bus.poll(null, { after: cursor, allProjects: true });
    cursor = page.cursor;
    const own = page.messages.filter((message) => message.sender === "fuzz");
    const lives = (options.ttlSeconds ?? 60) >= 30 && options.to === undefined;
    if (id === undefined) {
      assert.ok(!own.some((message) => message.channel === channel), "stored");
    } else if (lives) {
      const found = own.find((message) => message.id === id);
      assert.ok(found !== undefined, "lost");
      assert.equal(JSON.stringify(found.payload), JSON.stringify(payload));
      assert.equal(found.project, options.project?.toWellFormed());
    }
  }, () => bus.close());
}

/** The targets of the library. */
export const LIBRARY_TARGETS: readonly TargetMaker[] = [
  payloads,
  storedPayloads,
  globs,
  paths,
  messages,
];
