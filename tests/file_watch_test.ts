import assert from "node:assert/strict";
import { watchPath } from "../lib/store/file_watch.ts";
import { Home } from "./fixture.ts";

const LIB = new URL("../lib/", import.meta.url);

Deno.test("watchPath() refuses a path whose watch would drop SQLite's locks", async () => {
  await using home = new Home();
  await home.open();
  const folder = home.database.replace(/\/[^/]+$/, "");
  const link = `${home.root}/link`;
  const fileLink = `${home.root}/file-link`;
  await Deno.symlink(folder, link);
  await Deno.symlink(home.database, fileLink);
  const refused = [folder, `${folder}/`, `${folder}/../db`, link, fileLink];
  for (
    const path of [...refused, home.database, `${home.database}-shm`]
  ) {
    assert.throws(() => watchPath(path), /would drop SQLite's locks/, path);
  }
  for (const path of [`${home.database}-wal`, home.root]) {
    watchPath(path).close();
  }
});

Deno.test("only file_watch.ts begins file watches", async () => {
  const others: string[] = [];
  const look = async (folder: URL): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory) await look(new URL(`${name}/`, folder));
      else {
        const file = new URL(name, folder);
        const calls =
          /\bDeno\s*\.\s*watchFs\s*\(|\bwatch\w*\b[^;]*from "node:fs/;
        if (calls.test(await Deno.readTextFile(file))) {
          others.push(file.href.replace(LIB.href, ""));
        }
      }
    }
  };
  await look(LIB);
  assert.deepEqual(others, ["store/file_watch.ts"]);
});
