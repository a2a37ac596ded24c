/**
 * PowerShell: its tokens, and its commands that write or show files.
 *
 * Read: `Set-Content`, `Add-Content`, `Clear-Content`, `Out-File`, `Tee-Object`,
 * `New-Item`, `Remove-Item`, `Copy-Item`, `Move-Item`, `Rename-Item`,
 * `Export-Csv`, `Get-Content`, `Select-String`, `Invoke-Expression`, their
 * aliases, `[IO.File]::Write…`, redirections, and other programs as in any
 * shell. `Set-Location` is followed.
 *
 * Not read: variables other than `$HOME`, the content of `"$(…)"`, functions, and
 * other calls of .NET. Blocks and parentheses only separate commands.
 *
 * The lexer takes one pass, linear in the text.
 *
 * @module
 */

import type { Input, Program, Recorder } from "./recorder.ts";
import { plainWord, type Token, type Word } from "./word.ts";

const OPERATORS = ["&&", "||", ";", "|", "\n", "(", ")", "{", "}"];
const ENDS = new Set(" \t\r\n;|&(){},<>");
const FILE_CALL = /^\[(?:System\.)?IO\.File\]::(\w+)$/i;

/**
 * Splits PowerShell's text into tokens.
 *
 * @param text The text.
 * @param home The home directory, for `~` and `$HOME`.
 * @returns The tokens.
 */
export function lexPowerShell(text: string, home?: string): readonly Token[] {
  return new PowerShellLexer(text.replaceAll("\r\n", "\n"), home).read();
}

class PowerShellLexer {
  readonly #text: string;
  readonly #home: string | undefined;
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(text: string, home: string | undefined) {
    this.#text = text;
    this.#home = home;
  }

  read(): readonly Token[] {
    for (;;) {
      this.#skipBlanks();
      const char = this.#char();
      if (char === "") return this.#tokens;
      const redirect = /[\d*>]/.test(char) ? this.#redirectAt() : undefined;
      if (redirect !== undefined) this.#redirect(redirect);
      else if (!this.#operator()) this.#tokens.push(this.#word());
    }
  }

  #char(ahead = 0): string {
    return this.#text[this.#at + ahead] ?? "";
  }

  #sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  /** Moves behind the next `text`, or to the end if there is none. */
  #skipPast(text: string): void {
    const end = this.#text.indexOf(text, this.#at);
    this.#at = end < 0 ? this.#text.length : end + text.length;
  }

  #skipBlanks(): void {
    for (;;) {
      if (/[ \t\r]/.test(this.#char())) this.#at++;
      else if (this.#sees("`\n")) this.#at += 2;
      else if (this.#sees("<#")) this.#skipPast("#>");
      else if (this.#char() === "#") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else return;
    }
  }

  #operator(): boolean {
    const operator = OPERATORS.find((each) => this.#sees(each));
    if (operator === undefined) {
      // `&` before a command calls it; at the end it runs it in the background.
      if (this.#char() !== "&") return false;
      this.#at++;
      return true;
    }
    this.#at += operator.length;
    const last = this.#tokens.at(-1);
    const isCall = operator === "(" && last?.kind === "word" &&
      FILE_CALL.test(last.text);
    if (isCall) return true;
    const text = operator === "{" || operator === "}" ? ";" : operator;
    this.#tokens.push({ kind: "operator", text });
    return true;
  }

  #redirectAt():
    | { length: number; text: string; descriptor: string }
    | undefined {
    let length = 0;
    if (/[\d*]/.test(this.#char())) length++;
    const descriptor = this.#char(0).slice(0, length);
    if (this.#char(length) !== ">") return undefined;
    const isAdding = this.#char(length + 1) === ">";
    length += isAdding ? 2 : 1;
    const text = (descriptor === "*" ? "&" : "") + (isAdding ? ">>" : ">");
    return { length, text, descriptor: descriptor === "*" ? "" : descriptor };
  }

  #redirect(
    { length, text, descriptor }: {
      length: number;
      text: string;
      descriptor: string;
    },
  ): void {
    this.#at += length;
    if (this.#char() === "&") {
      this.#at += 2;
      return;
    }
    this.#skipBlanks();
    const char = this.#char();
    if (char === "" || ENDS.has(char)) return;
    const word = this.#word();
    this.#tokens.push({
      kind: "redirect",
      text,
      descriptor,
      target: { ...word, text: slashed(word.text) },
    });
  }

  #word(): Word {
    const start = this.#at;
    let [text, isKnown, isQuoted] = ["", true, false];
    while (this.#at < this.#text.length) {
      const char = this.#char();
      if (this.#sees("@'\n") || this.#sees('@"\n')) {
        const close = `\n${this.#char(1)}@`;
        this.#at += 2;
        const from = this.#at + 1;
        this.#skipPast(close);
        text += this.#text.slice(from, Math.max(from, this.#at - close.length));
        isQuoted = true;
        if (close === '\n"@' && text.includes("$")) isKnown = false;
      } else if (char === "'" || char === '"') {
        isQuoted = true;
        const inner = this.#quoted(char);
        text += inner.text;
        isKnown &&= inner.isKnown;
      } else if (ENDS.has(char)) break;
      else if (char === "`") {
        text += this.#char(1);
        this.#at += 2;
      } else if (char === "$") {
        const value = this.#variable();
        text += value ?? "";
        isKnown &&= value !== undefined;
      } else if (
        char === "~" && this.#at === start && /^$|[\s/\\]/.test(this.#char(1))
      ) {
        text += this.#home ?? "";
        isKnown = this.#home !== undefined;
        this.#at++;
      } else {
        text += char;
        this.#at++;
      }
    }
    // A comma, or a character that starts no token: one word by itself.
    if (this.#at === start) text = this.#text[this.#at++];
    return { ...plainWord(text), isKnown, isQuoted };
  }

  #quoted(quote: string): { text: string; isKnown: boolean } {
    let [text, isKnown] = ["", true];
    this.#at++;
    while (this.#at < this.#text.length) {
      const char = this.#char();
      if (char === quote && this.#char(1) === quote) {
        text += quote;
        this.#at += 2;
      } else if (char === quote) {
        this.#at++;
        break;
      } else if (quote === '"' && char === "`") {
        text += this.#char(1);
        this.#at += 2;
      } else if (quote === '"' && char === "$") {
        const value = this.#variable();
        text += value ?? "";
        isKnown &&= value !== undefined;
      } else {
        text += char;
        this.#at++;
      }
    }
    return { text, isKnown };
  }

  /** Returns the value of a variable; undefined if unknown. */
  #variable(): string | undefined {
    const start = ++this.#at;
    if (this.#sees("{")) {
      this.#skipPast("}");
      return undefined;
    }
    while (/[\w:]/.test(this.#char())) this.#at++;
    const name = this.#text.slice(start, this.#at).toLowerCase();
    if (name === "") return this.#sees("(") ? undefined : "$";
    return name === "home" || name === "env:home" ? this.#home : undefined;
  }
}

function slashed(text: string): string {
  return text.replaceAll("\\", "/");
}

/** Parameters that have a value. A unique beginning stands for a parameter. */
const VALUED = [
  ...["path", "literalpath", "filepath", "destination", "newname", "name"],
  ...["value", "encoding", "filter", "include", "exclude", "inputobject"],
  ...["itemtype", "type", "target", "pattern", "totalcount", "tail", "head"],
  ...["first", "last", "delimiter", "stream", "width", "credential", "depth"],
  ...["command", "erroraction", "context", "readcount"],
];
const SWITCHES = [
  ...["force", "recurse", "nonewline", "append", "noclobber", "passthru"],
  ...["raw", "whatif", "confirm", "verbose", "container", "wait", "list"],
  ...["notypeinformation", "simplematch", "casesensitive", "allmatches"],
];

/** A command's arguments; commas make one argument a list. */
class Parameters {
  readonly positional: (readonly Word[])[] = [];
  readonly #named = new Map<string, readonly Word[]>();

  constructor(words: readonly Word[]) {
    let at = 0;
    const list = (): readonly Word[] => {
      const values: Word[] = [];
      if (at < words.length) values.push(words[at++]);
      while (words[at]?.text === "," && !words[at].isQuoted) {
        at++;
        if (at < words.length) values.push(words[at++]);
      }
      return values;
    };
    while (at < words.length) {
      const { text, isQuoted } = words[at];
      const [, given, value] = isQuoted
        ? []
        : /^-([A-Za-z]\w*)(?::(.*))?$/s.exec(text) ?? [];
      if (given === undefined) {
        this.positional.push(list());
        continue;
      }
      const name = fullName(given.toLowerCase());
      const word = words[at++];
      const values = value !== undefined
        ? [{ ...word, text: value }]
        : VALUED.includes(name)
        ? list()
        : [];
      this.#named.set(name, values);
    }
  }

  has(name: string): boolean {
    return this.#named.has(name);
  }

  /** Returns the values of a parameter, by name, otherwise by position. */
  values(names: readonly string[], position?: number): readonly Word[] {
    const name = names.find((each) => this.#named.has(each));
    if (name !== undefined) return this.#named.get(name) ?? [];
    // Named parameters take no position.
    return position === undefined ? [] : this.positional[position] ?? [];
  }
}

function fullName(given: string): string {
  return [...VALUED, ...SWITCHES].find((name) => name === given) ??
    [...VALUED, ...SWITCHES].find((name) => name.startsWith(given)) ?? given;
}

const PATH = ["path", "literalpath", "filepath"];

/** Returns paths. PowerShell's wildcards work in quotes, too. */
function pathsOf(parameters: Parameters, position = 0): readonly Word[] {
  return parameters.values(PATH, position).map((word) =>
    pathWord(word, parameters.has("literalpath"))
  );
}

function pathWord(word: Word, isLiteral = false): Word {
  const text = slashed(word.text);
  const isGlob = !isLiteral && /[*?[]/.test(text);
  return {
    ...word,
    text,
    isGlob,
    ...(isGlob ? { pattern: text.replace(/[{}]/g, "\\$&") } : {}),
  };
}

/** Makes a command that treats its paths like a POSIX program. */
function like(program: string, position = 0): Program {
  return (words, recorder) => {
    const parameters = new Parameters(words);
    if (parameters.has("whatif")) return;
    runLike(program, pathsOf(parameters, position), recorder);
  };
}

function runLike(
  program: string,
  words: readonly Word[],
  recorder: Recorder,
): void {
  if (words.length > 0) {
    recorder.command([plainWord(program), plainWord("--"), ...words]);
  }
}

/** `Copy-Item` and `Move-Item`: the target defaults to the working folder. */
function transfers(program: string): Program {
  return (words, recorder) => {
    const parameters = new Parameters(words);
    if (parameters.has("whatif")) return;
    const sources = pathsOf(parameters);
    const position = PATH.some((name) => parameters.has(name)) ? 0 : 1;
    const [target = plainWord(".")] = parameters.values(
      ["destination"],
      position,
    );
    if (sources.length > 0) {
      runLike(program, [...sources, pathWord(target, true)], recorder);
    }
  };
}

function renameItem(words: readonly Word[], recorder: Recorder): void {
  const parameters = new Parameters(words);
  const [source] = pathsOf(parameters);
  const position = PATH.some((name) => parameters.has(name)) ? 0 : 1;
  const [name] = parameters.values(["newname"], position);
  if (source === undefined || name === undefined) return;
  if (parameters.has("whatif")) return;
  const folder = source.text.slice(0, source.text.lastIndexOf("/") + 1);
  recorder.file(source);
  recorder.file({ ...pathWord(name, true), text: folder + slashed(name.text) });
}

function newItem(words: readonly Word[], recorder: Recorder): void {
  const parameters = new Parameters(words);
  if (parameters.has("whatif")) return;
  const type = parameters.values(["itemtype", "type"])[0]?.text ?? "file";
  const [name] = parameters.values(["name"]);
  for (const path of parameters.values(PATH, 0)) {
    const folder = `${slashed(path.text)}/`;
    const word = name === undefined
      ? pathWord(path, true)
      : { ...path, text: folder + slashed(name.text) };
    if (/^dir/i.test(type)) recorder.makes(word);
    else recorder.file(word);
  }
}

function invoke(words: readonly Word[], recorder: Recorder): void {
  const parameters = new Parameters(words);
  const [script] = parameters.values(["command"], 0);
  if (script !== undefined) recorder.script(script, "powershell");
}

/** `pwsh -Command …`: all further words are the script. */
export function powerShell(
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  const at = words.findIndex(({ text }) =>
    /^-c(o(m(m(and?)?)?)?)?$/i.test(text)
  );
  const isFile = words.some(({ text }) => /^-(f|file)$/i.test(text));
  if (at < 0) {
    const first = words.find(({ text }) => !text.startsWith("-"));
    if (isFile) return;
    return recorder.script(first ?? input.text(), "powershell");
  }
  const script = words.slice(at + 1);
  if (script.some(({ isKnown }) => !isKnown)) recorder.lost();
  else {
    recorder.script(script.map(({ text }) => text).join(" "), "powershell");
  }
}

/** Calls such as `[IO.File]::WriteAllText(path, …)`. */
function fileCall(method: string): Program | undefined {
  const writes = /^(write|append|create|delete|open(write)?$)/i.test(method);
  const isPair = /^(copy|move|replace)$/i.test(method);
  if (!writes && !isPair) return undefined;
  return (words, recorder) => {
    const [first, second] = words.filter(({ text }) => text !== ",");
    if (first !== undefined && !/^copy$/i.test(method)) {
      recorder.file(pathWord(first, true));
    }
    if (isPair && second !== undefined) {
      recorder.file(pathWord(second, true));
    }
  };
}

const CMDLETS: ReadonlyMap<string, Program> = new Map([
  ["set-content", like("touch")],
  ["add-content", like("touch")],
  ["clear-content", like("touch")],
  ["out-file", like("touch")],
  ["tee-object", like("touch")],
  ["export-csv", like("touch")],
  ["export-clixml", like("touch")],
  ["remove-item", like("rm")],
  ["copy-item", transfers("cp")],
  ["move-item", transfers("mv")],
  ["rename-item", renameItem],
  ["new-item", newItem],
  ["get-content", like("cat")],
  ["select-string", like("cat", 1)],
  ["invoke-expression", invoke],
]);

const ALIASES: ReadonlyMap<string, string> = new Map([
  ...["ac add-content", "cat get-content", "clc clear-content"],
  ...["copy copy-item", "cp copy-item", "cpi copy-item", "del remove-item"],
  ...["epcsv export-csv", "erase remove-item", "gc get-content"],
  ...["iex invoke-expression", "mi move-item", "move move-item"],
  ...["mv move-item", "ni new-item", "rd remove-item", "ren rename-item"],
  ...["ri remove-item", "rm remove-item", "rmdir remove-item"],
  ...["rni rename-item", "sc set-content", "sls select-string"],
  ...["tee tee-object", "type get-content"],
].map((line): [string, string] => {
  const [alias, name] = line.split(" ");
  return [alias, name];
}));

/**
 * Returns the PowerShell command of a name.
 *
 * @param name The name, in either case.
 * @param hasAliases Whether PowerShell runs the command: only then aliases count.
 * @returns The command; undefined for another program.
 */
export function cmdlet(name: string, hasAliases: boolean): Program | undefined {
  const call = FILE_CALL.exec(name);
  if (call !== null) return fileCall(call[1]);
  const small = name.toLowerCase();
  const full = hasAliases ? ALIASES.get(small) ?? small : small;
  return CMDLETS.get(full);
}

/** Names of commands that change the folder. */
export const LOCATION_NAMES: ReadonlySet<string> = new Set([
  ...["cd", "chdir", "sl", "set-location", "pushd", "push-location"],
]);
