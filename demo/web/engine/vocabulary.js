// Characters <-> ids. A character is one code point after NFC; id 0 is the boundary.

/** More distinct characters than this are refused. */
export const MAX_SYMBOLS = 65_535;

/** The characters a model knows: `symbols[id]`, and `symbols[0]` is "". */
export class Vocabulary {
  /** @param {string[]} symbols */
  constructor(symbols) {
    if (symbols[0] !== "") throw new RangeError("id 0 must be the boundary, an empty string");
    if (symbols.length < 2 || symbols.length > MAX_SYMBOLS + 1)
      throw new RangeError(`${symbols.length - 1} characters; expected 1 to ${MAX_SYMBOLS}`);
    for (const symbol of symbols.slice(1))
      if ([...symbol].length !== 1 || /[\ud800-\udfff]/u.test(symbol))
        throw new RangeError(`${JSON.stringify(symbol.slice(0, 20))} is not a single character`);
    /** @type {Map<string, number>} */
    this.ids = new Map(symbols.map((symbol, id) => [symbol, id]));
    if (this.ids.size !== symbols.length) throw new RangeError("a character stands in it twice");
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
    return [...text.normalize("NFC")].map((character) => {
      const id = this.ids.get(character);
      if (id === undefined) throw new RangeError(`unknown character ${JSON.stringify(character)}`);
      return id;
    });
  }

  /** The text of ids; boundaries leave no mark. @param {number[]} ids */
  decode(ids) {
    return ids.map((id) => this.symbols[id]).join("");
  }
}
