// Whether a name stands in the list that a model learned: charmodels/runtime/membership.py.
import { blake2s } from "../lib/hashes.js";
import { refuse } from "./refusal.js";

/** @typedef {"known" | "near" | "new"} Standing */

const MAX_ENTRIES = 500_000;
const MAX_LOOK_UPS = 100_000;
const MAX_BITS = 53;
const MAX_LOW_BITS = 32;

/** @returns {never} */
function wrong() {
  refuse("bundle.fact", { what: "membership" });
}

/** Keyed hashes of the records that can be asked, not read. */
export class Membership {
  /** From what bundle.json says. @param {Record<string, any>} facts */
  constructor({ hash, key, bits, low_bits: lowBits, entries, near_look_ups: lookUps, low, high }) {
    const whole = (/** @type {any} */ n, /** @type {number} */ least, /** @type {number} */ most) =>
      Number.isInteger(n) && n >= least && n <= most;
    const wide = bits - lowBits;
    this.bits = bits;
    this.entries = entries;
    this.lookUps = lookUps; // of what asks for "near"
    const fits = hash === "blake2s" && typeof key === "string" && /^[0-9a-f]{32}$/i.test(key) && whole(entries, 1, MAX_ENTRIES)
      && whole(lowBits, 1, MAX_LOW_BITS) && whole(bits, 1, MAX_BITS) && whole(wide, 0, Math.ceil(Math.log2(MAX_ENTRIES)))
      && whole(lookUps, 0, Number.MAX_SAFE_INTEGER);
    if (!fits) wrong();
    this.key = Uint8Array.from(key.match(/../g) ?? [], (/** @type {string} */ pair) => Number.parseInt(pair, 16));
    this.values = valuesOf(entries, lowBits, wide, unpacked(low), unpacked(high));
  }

  /** Of names outside the list, the share that one look-up takes for a record. */
  get error() {
    return this.entries / 2 ** this.bits;
  }

  /** Of new names of median length, the share that is called near or known. */
  get nearError() {
    return -Math.expm1((1 + this.lookUps) * Math.log1p(-this.error));
  }

  /** Whether it is a record, as it stands. @param {string} name */
  knows(name) {
    const digest = blake2s(new TextEncoder().encode(name.normalize("NFC")), { key: this.key, dkLen: 8 });
    const value = Number(new DataView(digest.buffer, digest.byteOffset).getBigUint64(0) >> BigInt(64 - this.bits));
    let [from, to] = [0, this.values.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.values[middle] < value) from = middle + 1;
      else to = middle;
    }
    return this.values[from] === value;
  }

  /** An edit is one character put in, taken out or replaced. @param {string} name @param {string[]} characters of the vocabulary @returns {Standing} */
  standing(name, characters) {
    if (this.knows(name)) return "known";
    const signs = [...name.normalize("NFC")];
    if (2 * signs.length * (characters.length - 1) + characters.length + signs.length > MAX_LOOK_UPS) return "new";
    for (const near of neighbours(signs, characters)) if (this.knows(near)) return "near";
    return "new";
  }
}

/** Every name one character away. @param {string[]} signs @param {string[]} characters */
function* neighbours(signs, characters) {
  for (let place = 0; place <= signs.length; place++) {
    const before = signs.slice(0, place).join("");
    const here = signs[place] ?? "";
    const after = signs.slice(place + 1).join("");
    if (here && here !== signs[place + 1]) yield before + after; // of a run the last is taken out
    for (const character of characters) {
      if (character === here) continue;
      yield before + character + here + after;
      if (here) yield before + character + after;
    }
  }
}

/** @param {unknown} text base64 */
function unpacked(text) {
  try {
    return Uint8Array.from(atob(String(text)), (character) => character.charCodeAt(0));
  } catch {
    wrong();
  }
}

/**
 * The sorted values, as Elias and Fano keep them.
 * @param {number} entries @param {number} lowBits @param {number} highBits @param {Uint8Array} low @param {Uint8Array} high
 */
function valuesOf(entries, lowBits, highBits, low, high) {
  if (low.length !== Math.ceil((entries * lowBits) / 8) || high.length !== Math.ceil((entries + 2 ** highBits) / 8)) wrong();
  const bit = (/** @type {Uint8Array} */ bytes, /** @type {number} */ place) => (bytes[place >> 3] >> (7 - (place & 7))) & 1;
  const values = new Float64Array(entries);
  let count = 0;
  for (let place = 0; place < 8 * high.length; place++) {
    if (!bit(high, place)) continue;
    if (count === entries) wrong();
    let value = place - count;
    for (let each = 0; each < lowBits; each++) value = 2 * value + bit(low, count * lowBits + each);
    values[count++] = value;
    if (count > 1 && values[count - 2] >= value) wrong();
  }
  if (count !== entries || values[entries - 1] >= 2 ** (lowBits + highBits)) wrong();
  return values;
}
