/**
 * A library with a defect, to prove that a test would notice it. The library is
 * a copy in a temporary folder, with changed text.
 *
 * @module
 */

/** A defect: a text in a file of `lib/`, and its replacement. */
export interface Defect {
  /** The file, from the root of the library. */
  readonly file: string;
  /** The text, which occurs once. */
  readonly text: string;
  /** The replacement. */
  readonly by: string;
}

/**
 * Runs `body` with the URL of the `mod.ts` of a copy with defects. The copy
 * includes `tests/peers/`.
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
        `Cannot put a defect into ${file}: its text occurs ` +
          `${parts.length - 1} times. Update the text: ${text}`,
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
