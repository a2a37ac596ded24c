/**
 * A file that other users control is read only if it is regular, small and inside its
 * folder. Its contents are not in the error.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { readSmallFile, SmallFileError } from "../lib/path/small_file.ts";
import { stampOf } from "../lib/hooks/file_stamp.ts";
import { hasProgram } from "./fixture.ts";

const SECRET = "s3cr3t";

/** A folder for one test, with entries of every kind. */
class Place implements AsyncDisposable {
  readonly path: string = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-small-" }),
  );
  readonly #server = createServer();

  async make(): Promise<void> {
    const at = (name: string) => `${this.path}/${name}`;
    Deno.writeTextFileSync(at("secret"), SECRET);
    Deno.mkdirSync(at("within/deep"), { recursive: true });
    Deno.writeTextFileSync(at("within/text"), "text");
    Deno.writeTextFileSync(at("within/empty"), "");
    Deno.writeTextFileSync(at("within/large"), "x".repeat(101));
    Deno.symlinkSync("../within/text", at("within/inside"));
    Deno.symlinkSync("../secret", at("within/outside"));
    Deno.symlinkSync("/dev/zero", at("within/zero"));
    Deno.symlinkSync("nowhere", at("within/broken"));
    Deno.symlinkSync("loop", at("within/loop"));
    if (hasProgram("mkfifo")) {
      await new Deno.Command("mkfifo", { args: [at("within/pipe")] }).output();
    }
    await new Promise<void>((resolve) =>
      this.#server.listen(at("within/socket"), resolve)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    Deno.removeSync(this.path, { recursive: true });
  }
}

Deno.test({
  name: "readSmallFile() reads regular, small files inside the folder",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using place = new Place();
    await place.make();
    const within = `${place.path}/within`;
    const read = (name: string) =>
      readSmallFile(`${within}/${name}`, { within, bytesMax: 100 });
    assert.equal(read("text"), "text");
    assert.equal(read("empty"), "");
    assert.equal(read("inside"), "text");
    for (const none of ["nothing", "text/below", "broken"]) {
      assert.equal(read(none), undefined, none);
    }
    const refused: [string, RegExp][] = [
      ["deep", /not a regular file/],
      ["zero", /leads out/],
      ["socket", /not a regular file/],
      ["large", /larger than 100 bytes/],
      ["outside", /leads out/],
      ...(hasProgram("mkfifo")
        ? [["pipe", /not a regular file/] as [string, RegExp]]
        : []),
    ];
    for (const [name, why] of refused) {
      assert.throws(() => read(name), (error: unknown) => {
        assert.ok(error instanceof SmallFileError, name);
        assert.match(error.message, why, name);
        assert.doesNotMatch(error.message, new RegExp(SECRET));
        return true;
      });
    }
    assert.throws(() => read("loop"));
    // Without `within` a link may lead anywhere, but not to a device.
    assert.equal(readSmallFile(`${within}/outside`), SECRET);
    assert.throws(() => readSmallFile(`${within}/zero`), SmallFileError);
    // A file of the kernel has no size, and reading it may block.
    assert.equal(readSmallFile("/proc/self/status") || "", "");
  },
});

Deno.test({
  name: "stampOf() stamps a file of the kernel as an empty file",
  ignore: Deno.build.os !== "linux",
  fn() {
    const empty = Deno.makeTempFileSync();
    try {
      const stamp = stampOf(empty, { hash: true });
      assert.equal(stamp.size, 0);
      assert.equal(
        stampOf("/proc/self/status", { hash: true }).hash,
        stamp.hash,
      );
      Deno.writeTextFileSync(empty, "text");
      assert.notEqual(stampOf(empty, { hash: true }).hash, stamp.hash);
    } finally {
      Deno.removeSync(empty);
    }
  },
});
