/** Something the visitor can mend or must know: a key of the page's words, and its blanks. */
export class Refusal extends Error {
  /** @param {string} key @param {Record<string, string | number>} [values] */
  constructor(key, values = {}) {
    super(`${key} ${JSON.stringify(values)}`);
    this.key = key;
    this.values = values;
  }
}

/** Throw one. @param {string} key @param {Record<string, string | number>} [values] @returns {never} */
export function refuse(key, values) {
  throw new Refusal(key, values);
}
