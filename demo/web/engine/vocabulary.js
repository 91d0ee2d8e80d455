// Characters <-> ids. A character is one code point after NFC; id 0 is the boundary.

import { refuse } from "./refusal.js";

/** More distinct characters than this are refused. */
export const MAX_SYMBOLS = 65_535;

/** The characters a model knows: `symbols[id]`, and `symbols[0]` is "". */
export class Vocabulary {
  /** @param {string[]} symbols */
  constructor(symbols) {
    const isCharacter = (/** @type {string} */ symbol) => [...symbol].length === 1 && !/[\ud800-\udfff]/u.test(symbol);
    const [boundary, ...others] = symbols;
    const fits = boundary === "" && others.length > 0 && others.length <= MAX_SYMBOLS;
    /** @type {Map<string, number>} */
    this.ids = new Map(symbols.map((symbol, id) => [symbol, id]));
    if (!fits || !others.every(isCharacter) || this.ids.size !== symbols.length) refuse("bundle.fact", { what: "vocabulary" });
    this.symbols = symbols;
  }

  get size() {
    return this.symbols.length;
  }

  /** The characters the model has never seen, each once. @param {string} text */
  unknown(text) {
    return [...new Set(text.normalize("NFC"))].filter((character) => !this.ids.has(character));
  }

  /** Ids of the characters of a text without unknown ones. @param {string} text */
  encode(text) {
    return [...text.normalize("NFC")].map((character) => this.ids.get(character) ?? 0);
  }

  /** The text of ids; boundaries leave no mark. @param {number[]} ids */
  decode(ids) {
    return ids.map((id) => this.symbols[id]).join("");
  }
}
