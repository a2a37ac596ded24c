/**
 * A library with a defect, for showing that a test would notice it: a copy of
 * this one in a folder of its own, with some of its text changed.
 *
 * @module
 */

/** A defect: what stands in a file of `lib/`, and what is put there instead. */
export interface Defect {
  /** The file, from the root of the library. */
  readonly file: string;
  /** Text that stands there once. */
  readonly text: string;
  /** What replaces it. */
  readonly by: string;
}

/**
 * Runs `body` with the `mod.ts` of a copy of the library that has defects;
 * beside it stand the programs of `tests/peers/`.
 */
export async function withDefects<T>(
  defects: readonly Defect[],
  body: (library: string) => Promise<T>,
): Promise<T> {
  const root = new URL("../../", import.meta.url).pathname;
  const copy = await Deno.makeTempDir({ prefix: "mbus-defect-" });
  try {
    await copyTree(`${root}lib`, `${copy}/lib`);
    await Deno.mkdir(`${copy}/tests`);
    await copyTree(`${root}tests/peers`, `${copy}/tests/peers`);
    for (const file of ["mod.ts", "tests/text_lines.ts"]) {
      await Deno.copyFile(`${root}${file}`, `${copy}/${file}`);
    }
    await putDefects(defects, copy);
    return await body(`file://${copy}/mod.ts`);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** Puts defects into a copy of the library. */
export async function putDefects(
  defects: readonly Defect[],
  copy: string,
): Promise<void> {
  for (const { file, text, by } of defects) {
    const whole = await Deno.readTextFile(`${copy}/${file}`);
    const parts = whole.split(text);
    if (parts.length !== 2) {
      throw new Error(
        `The defect's text stands ${parts.length - 1} times in ${file}: ` +
          `bring it up to date (${text})`,
      );
    }
    await Deno.writeTextFile(`${copy}/${file}`, parts.join(by));
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
