/**
 * The modules that a hook loads, because it starts at every step of every agent.
 *
 * @module
 */

import assert from "node:assert/strict";

const ENTRY = new URL("../../lib/cli/bin/hook.ts", import.meta.url);
const LIB = new URL("../../lib/", import.meta.url).href;
const SERVERS = `${LIB}postgres/`;

/** Returns the imports of a file, and whether each is on demand. */
function importsOf(file: string): { at: string; later: boolean }[] {
  const code = Deno.readTextFileSync(new URL(file))
    .replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  const at = (text: string) =>
    text.startsWith(".") ? new URL(text, file).href : text;
  const once = code.matchAll(
    /^(?:import|export)\s+(?!type\b)(?:[^;"]*?\sfrom\s+)?"([^"]+)"/gm,
  );
  const later = code.matchAll(/\bimport\(\s*"([^"]+)"/g);
  return [
    ...[...once].map(([, text]) => ({ at: at(text), later: false })),
    ...[...later].map(([, text]) => ({ at: at(text), later: true })),
  ];
}

/** Returns all modules of an entry, with or without imports on demand. */
function loadedWith(
  options: { later: boolean; servers?: boolean },
): Set<string> {
  const loaded = new Set<string>();
  const add = (file: string) => {
    if (loaded.has(file)) return;
    if (options.servers === false && file.startsWith(SERVERS)) return;
    loaded.add(file);
    if (!file.startsWith("file:")) return;
    for (const { at, later } of importsOf(file)) {
      if (!later || options.later) add(at);
    }
  };
  add(ENTRY.href);
  return loaded;
}

Deno.test("a hook imports only the runtime and node:sqlite", () => {
  // The PostgreSQL client is loaded only for a server.
  const foreign = [...loadedWith({ later: true, servers: false })]
    .filter((file) => !file.startsWith(LIB));
  assert.deepEqual(foreign, ["node:sqlite"]);
});

Deno.test("the fast path loads no more than it uses", () => {
  const loaded = [...loadedWith({ later: false })]
    .map((file) => file.replace(LIB, ""));
  assert.ok(loaded.includes("sqlite/fast_guard.ts"));
  const heavy =
    /^(bus|rules\/(?!prefixes)|store\/(?!bell_files)|glob|path\/lock|sqlite\/(schema|connection|store|records)\.ts|hooks\/(shell|pending_context|edits|decide|respond)|cli\/(?!bin\/hook|exit))/;
  assert.deepEqual(loaded.filter((file) => heavy.test(file)), []);
});

Deno.test("no part of a hook watches, purges or edits configuration", () => {
  const loaded = [...loadedWith({ later: true })]
    .map((file) => file.replace(LIB, ""));
  assert.ok(loaded.includes("hooks/respond.ts"));
  assert.deepEqual(loaded.filter((file) => /^install\//.test(file)), []);
});
