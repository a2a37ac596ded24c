/**
 * SQLite passes the suite with the FFI driver, in a process of its own, because a
 * process uses only one SQLite library.
 *
 * The driver's code runs on a stand-in for `@db/sqlite` on each machine. It runs on
 * `@db/sqlite` itself, with its native library, only where both can be loaded, which
 * takes JSR and GitHub. `MBUS_TEST_REQUIRE=ffi` requires that.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };

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
  fn: () => passSuite(),
});

Deno.test("sqlite passes the suite with the FFI driver on a stand-in", () => {
  const imports = {
    ...config.imports,
    "@db/sqlite": new URL("ffi_stand_in.ts", import.meta.url).href,
  };
  const map = encodeURIComponent(JSON.stringify({ imports }));
  return passSuite(`--import-map=data:application/json,${map}`);
});

async function passSuite(...options: readonly string[]): Promise<void> {
  const files = ["sqlite_test.ts", "sqlite_driver_test.ts"]
    .map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const { success, output } = await deno(
    "test",
    "--allow-all",
    ...options,
    ...files,
  );
  assert.ok(success, output);
  assert.match(output, /sqlite \(ffi\): publish: .* ok/);
  assert.match(output, /driver \(ffi\): each way .* ok/);
}

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
