/**
 * What the terminal takes: colours, and how wide it is.
 *
 * Colours and cutting are for people who look at a terminal. Into a pipe or a
 * file everything goes whole and plain; `NO_COLOR` and `TERM=dumb` are
 * honoured.
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

/** A way to set text off. */
export type Paint = keyof typeof CODES;

let coloured: boolean | undefined;

/** Sets text off, where that can be seen. */
export function paint(how: Paint | undefined, text: string): string {
  if (how === undefined || text === "") return text;
  coloured ??= Deno.stdout.isTerminal() && !Deno.noColor &&
    Deno.env.get("TERM") !== "dumb";
  if (!coloured) return text;
  const [on, off] = CODES[how];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** The columns of the terminal; undefined if the output goes elsewhere. */
export function terminalColumns(): number | undefined {
  if (!Deno.stdout.isTerminal()) return undefined;
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : undefined;
  } catch {
    // A terminal that does not tell its size.
    return undefined;
  }
}
