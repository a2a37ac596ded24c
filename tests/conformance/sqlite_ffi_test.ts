/**
 * SQLite passes the suite with the FFI driver, too: in a process of its own, as
 * a process uses one SQLite library only.
 *
 * The driver is ignored where it can't be loaded, which takes JSR's registry
 * and a native library, unless `MBUS_TEST_REQUIRE` names `ffi`.
 */

import assert from "node:assert/strict";

const isRequired = Deno.env.get("MBUS_TEST_REQUIRE")?.split(",")
  .includes("ffi") ?? false;
const canRun = isRequired ||
  (await deno("eval", 'new (await import("@db/sqlite")).Database(":memory:")'))
    .success;

const unlessLoaded = canRun
  ? ""
  : " (ignored: @db/sqlite can't be loaded; MBUS_TEST_REQUIRE=ffi requires it)";

Deno.test({
  name: `sqlite passes the suite with the FFI driver${unlessLoaded}`,
  ignore: !canRun,
  fn: async () => {
    const suite = new URL("sqlite_test.ts", import.meta.url).pathname;
    const { success, output } = await deno("test", "--allow-all", suite);
    assert.ok(success, output);
    assert.match(output, /sqlite \(ffi\): publish: .* ok/);
  },
});

async function deno(
  ...args: readonly string[]
): Promise<{ success: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { MBUS_SQLITE_DRIVER: "ffi", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { success, output: text.decode(stdout) + text.decode(stderr) };
}
