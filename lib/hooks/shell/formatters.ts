/**
 * Programs that rewrite the files they name: formatters, linters with fixes,
 * editors that run a script, and runners of a project's programs (`npx`,
 * `uv run`).
 *
 * Only named files are read off. The changes of a formatter to a folder or a
 * whole project are found after it ran.
 *
 * @module
 */

import { afterOptions, Arguments } from "./arguments.ts";
import type { Input, Program, Recorder } from "./recorder.ts";
import type { Word } from "./word.ts";

/** The arguments with which a formatter writes. */
export interface Rewriting {
  /** Options one of which it needs to write. */
  readonly when?: readonly string[];
  /** Options that keep it from writing. */
  readonly unless?: readonly string[];
  /** Its subcommands that write; they precede the files. */
  readonly commands?: readonly string[];
  /** The number of operands before the files. */
  readonly skip?: number;
  /** Short options with a value. */
  readonly short?: string;
  /** Long options with a value. */
  readonly long?: readonly string[];
}

const CHECKING = ["check", "diff", "dry-run"];

/** Makes a program that rewrites the files among its operands. */
export function rewrites(rewriting: Rewriting): Program {
  const { when, unless = CHECKING, commands, skip = 0 } = rewriting;
  return (words, recorder) => {
    const args = new Arguments(words, rewriting);
    const isGiven = when === undefined || args.has(...when);
    if (!isGiven || args.has(...unless)) return;
    const [command] = args.operands;
    if (commands !== undefined && !commands.includes(command?.text)) return;
    const first = skip + (commands === undefined ? 0 : 1);
    for (const file of args.operands.slice(first)) {
      if (!file.isGlob && recorder.isFolder(file)) recorder.lost();
      else recorder.file(file);
    }
  };
}

/** `ex`, and `vim` with commands that write: `-c wq`, `+x`. */
function editor(isScripted: boolean): Program {
  return (words, recorder, input) => {
    const isBatch = isScripted ||
      words.some(({ text }) => /^-(es|Es|s|e)$/.test(text));
    const runs = words.some(({ text }, at) =>
      /^\+/.test(text) || /^(-c|--cmd)$/.test(words[at - 1]?.text ?? "")
        ? /\b(w|wq|wqa|wa|x|xa|up|update|xit)\b!?/.test(text)
        : false
    );
    if (!runs && !(isBatch && input.text() !== undefined)) return;
    const { operands } = new Arguments(words, {
      short: "cSuUTwWiV",
      long: ["cmd"],
    });
    for (const file of operands) {
      if (!file.text.startsWith("+")) recorder.file(file);
    }
  };
}

/** Programs like `gzip`, which replace a file by another one. */
function compresses(suffix: string, isUnpacking: boolean): Program {
  return (words, recorder) => {
    const args = new Arguments(words, { short: "ST" });
    if (args.has("c", "stdout", "t", "test", "l", "list")) return;
    const unpacks = isUnpacking || args.has("d", "decompress");
    for (const file of args.operands) {
      if (!args.has("k", "keep")) recorder.file(file);
      const isPacked = file.text.endsWith(suffix);
      if (!unpacks) recorder.file({ ...file, text: file.text + suffix });
      else if (isPacked) {
        recorder.file({ ...file, text: file.text.slice(0, -suffix.length) });
      }
    }
  };
}

/** Runs a program: its first operand, or the one behind a subcommand. */
function runner(short: string, commands?: readonly string[]): Program {
  return (words, recorder, input) => {
    let rest = afterOptions(words, short);
    if (commands !== undefined) {
      if (!commands.includes(rest[0]?.text)) return;
      rest = afterOptions(rest.slice(1), short);
    }
    run(rest, recorder, input);
  };
}

/** Runs a program whose name may have a version: `prettier@3`. */
function run(
  [name, ...args]: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  if (name === undefined) return;
  const text = name.text.replace(/(?<=.)@[^/]*$/, "");
  recorder.command([{ ...name, text }, ...args], input);
}

const PRETTIER = rewrites({
  when: ["w", "write"],
  unless: ["c", "check", "l", "list-different"],
  long: ["config", "parser", "ignore-path", "plugin", "stdin-filepath"],
});
const ESLINT = rewrites({
  when: ["fix"],
  unless: ["fix-dry-run"],
  short: "cof",
  long: ["config", "ext", "rule", "format", "max-warnings", "output-file"],
});
const BIOME = rewrites({
  when: ["write", "apply", "fix", "apply-unsafe"],
  commands: ["format", "check", "lint"],
  long: ["config-path"],
});
const RUFF_FORMAT = rewrites({ commands: ["format"], long: ["config"] });
const RUFF_FIX = rewrites({
  when: ["fix", "fix-only"],
  commands: ["check"],
  long: ["select", "ignore", "config", "extend-select"],
});
const INDENTING = rewrites({ when: ["i", "in-place", "inplace", "replace"] });
const GOFMT = rewrites({ when: ["w"], short: "r" });
const RUNNER = runner("pc");
const NODE_RUNNER = runner("pc", ["exec", "dlx", "x"]);
const PYTHON_RUNNER = runner("p", ["run"]);

/** The programs, by name. */
export const FORMATTERS: readonly (readonly [string, Program])[] = [
  ["prettier", PRETTIER],
  ["eslint", ESLINT],
  ["eslint_d", ESLINT],
  ["oxlint", ESLINT],
  ["stylelint", ESLINT],
  ["markdownlint", ESLINT],
  ["biome", BIOME],
  ["dprint", rewrites({ commands: ["fmt"], long: ["config"] })],
  ["black", rewrites({ short: "lt", long: ["line-length", "target-version"] })],
  ["isort", rewrites({ unless: ["c", "check", "check-only", "diff"] })],
  ["ruff", (words, recorder, input): void => {
    RUFF_FORMAT(words, recorder, input);
    RUFF_FIX(words, recorder, input);
  }],
  ["autopep8", INDENTING],
  ["autoflake", INDENTING],
  ["yapf", INDENTING],
  ["clang-format", INDENTING],
  ["google-java-format", INDENTING],
  ["gofmt", GOFMT],
  ["goimports", GOFMT],
  ["gofumpt", GOFMT],
  ["shfmt", rewrites({ when: ["w", "write"], short: "i" })],
  ["rustfmt", rewrites({ long: ["edition", "config", "config-path"] })],
  ["stylua", rewrites({ long: ["config-path"] })],
  [
    "rubocop",
    rewrites({
      when: ["a", "A", "autocorrect", "autocorrect-all"],
      short: "c",
    }),
  ],
  ["terraform", rewrites({ commands: ["fmt"] })],
  ["zig", rewrites({ commands: ["fmt"] })],
  ["yq", rewrites({ when: ["i", "inplace"], skip: 1, short: "op" })],
  ["sd", rewrites({ unless: ["p", "preview"], skip: 2, short: "fn" })],
  ["sponge", rewrites({})],
  ["dos2unix", rewrites({})],
  ["unix2dos", rewrites({})],
  ["gzip", compresses(".gz", false)],
  ["gunzip", compresses(".gz", true)],
  ["bzip2", compresses(".bz2", false)],
  ["bunzip2", compresses(".bz2", true)],
  ["xz", compresses(".xz", false)],
  ["unxz", compresses(".xz", true)],
  ["ex", editor(true)],
  ["vi", editor(false)],
  ["vim", editor(false)],
  ["nvim", editor(false)],
  ["npx", RUNNER],
  ["bunx", RUNNER],
  ["pnpx", RUNNER],
  ["npm", NODE_RUNNER],
  ["pnpm", NODE_RUNNER],
  ["yarn", NODE_RUNNER],
  ["uv", PYTHON_RUNNER],
  ["uvx", RUNNER],
  ["pipx", PYTHON_RUNNER],
  ["poetry", PYTHON_RUNNER],
  ["pipenv", PYTHON_RUNNER],
  ["bundle", runner("", ["exec"])],
];
