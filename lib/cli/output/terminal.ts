/**
 * Colours and width of the terminal.
 *
 * Output to a pipe or a file has no colours and is not wrapped. `NO_COLOR` and
 * `TERM=dumb` turn colours off.
 *
 * @module
 */

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/** Colour or weight of text. */
export type Paint = keyof typeof CODES;

let coloured: boolean | undefined;

/** Returns the text with a colour or weight, if the terminal shows it. */
export function paint(how: Paint | undefined, text: string): string {
  if (how === undefined || text === "") return text;
  coloured ??= Deno.stdout.isTerminal() && !Deno.noColor &&
    Deno.env.get("TERM") !== "dumb";
  if (!coloured) return text;
  const [on, off] = CODES[how];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** Returns the columns of the terminal; undefined without a terminal. */
export function terminalColumns(): number | undefined {
  if (!Deno.stdout.isTerminal()) return undefined;
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : undefined;
  } catch {
    // The terminal does not report its size.
    return undefined;
  }
}
