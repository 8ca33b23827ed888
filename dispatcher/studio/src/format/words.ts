/** A command line's arguments, split as a shell splits them. */

/** The words; null if a quote is not closed. */
export function splitArguments(text: string): string[] | null {
  const words: string[] = [];
  let word = "";
  let started = false;
  let quote = "";
  for (let k = 0; k < text.length; k += 1) {
    const c = text.charAt(k);
    if (quote !== "") {
      if (c === quote) quote = "";
      else if (c === "\\" && quote === '"' && k + 1 < text.length) word += text.charAt(++k);
      else word += c;
    } else if (c === "'" || c === '"') {
      quote = c;
      started = true;
    } else if (c === "\\" && k + 1 < text.length) {
      word += text.charAt(++k);
      started = true;
    } else if (/\s/.test(c)) {
      if (started) words.push(word);
      word = "";
      started = false;
    } else {
      word += c;
      started = true;
    }
  }
  if (quote !== "") return null;
  if (started) words.push(word);
  return words;
}

/** The words as a text that splits into them again. */
export function joinArguments(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}
