/** Colours of terminal output: a line becomes spans with class names; other escapes are dropped. */

export interface Span {
  text: string;
  classes: string;
}

const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
// CSI sequences, OSC sequences up to their end, and single escapes.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\u001b(?:\[([0-9;:?]*)([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.?)/g;

interface Style {
  bold: boolean;
  dim: boolean;
  colour: string;
}
const PLAIN: Style = { bold: false, dim: false, colour: "" };

/** The spans of one line. A carriage return shows what was written last, as a terminal does. */
export function spans(line: string): Span[] {
  const shown = line.replace(/\r+$/, "");
  const text = shown.slice(shown.lastIndexOf("\r") + 1);
  const found: Span[] = [];
  let style = PLAIN;
  let at = 0;
  for (const match of text.matchAll(ESCAPE)) {
    add(found, text.slice(at, match.index), style);
    at = match.index + match[0].length;
    if (match[2] === "m") style = restyled(style, match[1] ?? "");
  }
  add(found, text.slice(at), style);
  return found;
}

/** A line without its escapes, for searching. */
export function plain(line: string): string {
  return spans(line)
    .map((span) => span.text)
    .join("");
}

function add(found: Span[], text: string, style: Style): void {
  if (text === "") return;
  const names = [style.colour && `ansi-${style.colour}`, style.bold && "ansi-bold", style.dim && "ansi-dim"];
  found.push({ text, classes: names.filter(Boolean).join(" ") });
}

function restyled(style: Style, codes: string): Style {
  let next = style;
  const numbers = codes.split(/[;:]/).map(Number);
  for (let k = 0; k < numbers.length; k += 1) {
    const code = numbers[k] ?? 0;
    if (code === 0) next = PLAIN;
    else if (code === 1) next = { ...next, bold: true };
    else if (code === 2) next = { ...next, dim: true };
    else if (code === 22) next = { ...next, bold: false, dim: false };
    else if (code >= 30 && code <= 37) next = { ...next, colour: COLOURS[code - 30] ?? "" };
    else if (code >= 90 && code <= 97) next = { ...next, colour: COLOURS[code - 90] ?? "" };
    else if (code === 39) next = { ...next, colour: "" };
    else if (code === 38 || code === 48) k += numbers[k + 1] === 5 ? 2 : 4; // 256 and true colours
  }
  return next;
}
