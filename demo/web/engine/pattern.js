// A regular expression, read into a tree: what charmodels/runtime/pattern.py reads, and means by it.
import { refuse } from "./refusal.js";

/**
 * @typedef {{kind: "characters", ranges: [number, number][], classes: string[], negated: boolean}} Characters code points
 * @typedef {{kind: "sequence", parts: Tree[]}} Sequence
 * @typedef {{kind: "choice", parts: Tree[]}} Choice
 * @typedef {{kind: "repeat", part: Tree, least: number, most: number}} Repeat
 * @typedef {Characters | Sequence | Choice | Repeat} Tree
 */

export const MAX_PATTERN = 100;
const MAX_REPEAT = 10_000;
const MAX_DEPTH = 50;

/** @type {Record<string, RegExp>} */
const CLASSES = { d: /\p{Nd}/u, w: /[\p{L}\p{N}_]/u, s: /[\p{Z}\t-\r\x1c-\x1f\x85]/u };
/** @type {Record<string, string>} */
const CONTROLS = { t: "\t", n: "\n", r: "\r", f: "\f", v: "\v", a: "\x07" };
/** @type {Record<string, number>} */
const HEX = { x: 2, u: 4 };

const code = (/** @type {string} */ character) => /** @type {number} */ (character.codePointAt(0));

/** @param {string[]} within @param {boolean} [negated] @param {string[]} [classes] @returns {Characters} */
const characters = (within, negated = false, classes = []) =>
  ({ kind: "characters", ranges: within.map((each) => [code(each), code(each)]), classes, negated });

/** Every character. */
export const ANY = characters([], true);

/** Whether a character is in the set. @param {Characters} set @param {string} character */
export function holds({ ranges, classes, negated }, character) {
  const point = code(character);
  const found = ranges.some(([low, high]) => low <= point && point <= high)
    || classes.some((name) => CLASSES[name.toLowerCase()].test(character) === (name === name.toLowerCase()));
  return found !== negated;
}

/** @param {string} text @returns {Tree} */
export function literal(text) {
  return { kind: "sequence", parts: [...text].map((character) => characters([character])) };
}

/** @param {string} pattern composed @returns {Tree} */
export function parsePattern(pattern) {
  return new Parser(pattern).parse();
}

/** Recursive descent: a choice of sequences of repeated atoms. */
class Parser {
  /** @param {string} pattern */
  constructor(pattern) {
    this.signs = [...pattern];
    if (this.signs.length > MAX_PATTERN)
      refuse("refusal.long", { setting: "names.pattern", length: this.signs.length, limit: MAX_PATTERN });
    this.place = 0;
    this.depth = 0;
  }

  parse() {
    this.take("^");
    const tree = this.choice();
    if (this.place < this.signs.length) this.broken();
    return tree;
  }

  /** @returns {Tree} */
  choice() {
    const parts = [this.sequence()];
    while (this.take("|")) parts.push(this.sequence());
    return parts.length === 1 ? parts[0] : { kind: "choice", parts };
  }

  /** @returns {Tree} */
  sequence() {
    /** @type {Tree[]} */
    const parts = [];
    while (!["", "|", ")"].includes(this.next)) {
      if (this.next === "$" && this.place === this.signs.length - 1) {
        this.place += 1;
        break;
      }
      parts.push(this.repeated());
    }
    return parts.length === 1 ? parts[0] : { kind: "sequence", parts };
  }

  /** @returns {Tree} */
  repeated() {
    const part = this.atom();
    const times = this.times();
    if (!times) return part;
    this.take("?"); // as few as possible, or as many: the same names match
    if (["+", "*", "?"].includes(this.next) || this.times()) this.broken();
    return { kind: "repeat", part, least: times[0], most: times[1] };
  }

  /** Least and most of a repeat that stands here, past it. @returns {[number, number] | null} */
  times() {
    if (this.take("*")) return [0, Infinity];
    if (this.take("+")) return [1, Infinity];
    if (this.take("?")) return [0, 1];
    const end = this.signs.indexOf("}", this.place);
    const inside = this.signs.slice(this.place + 1, end < 0 ? this.place + 1 : end).join("");
    const found = this.next === "{" && end >= 0 ? /^(\d*)(,?)(\d*)$/.exec(inside) : null;
    if (!found || !(found[1] || found[2])) return null; // { is then a character like others
    const [, least, comma, most] = found;
    const low = Number(least);
    const high = most ? Number(most) : comma ? Infinity : low;
    if (Math.max(low, high === Infinity ? 0 : high) > MAX_REPEAT || low > high) this.broken();
    this.place = end + 1;
    return [low, high];
  }

  /** @returns {Tree} */
  atom() {
    if (this.take("(")) return this.group();
    if (this.take("[")) return this.set();
    if (this.next === "\\") return this.escape(false);
    const here = this.place;
    if (this.times()) {
      this.place = here;
      this.broken();
    }
    if (this.next === "^" || this.next === "$") this.broken();
    const character = this.next;
    this.place += 1;
    return character === "." ? characters(["\n"], true) : characters([character]);
  }

  group() {
    const start = this.place - 1;
    if (this.take("?") && !this.take(":") && !this.named()) this.broken(start);
    this.depth += 1;
    if (this.depth > MAX_DEPTH) this.broken();
    const tree = this.choice();
    this.depth -= 1;
    if (!this.take(")")) this.broken(start);
    return tree;
  }

  /** Past the name of (?P<name>...), if one stands here. */
  named() {
    const end = this.signs.indexOf(">", this.place);
    if (this.next !== "P" || this.signs[this.place + 1] !== "<" || end < 0) return false;
    this.place = end + 1;
    return true;
  }

  /** @returns {Characters} */
  set() {
    const start = this.place - 1;
    const negated = this.take("^");
    /** @type {Characters} */
    const made = { kind: "characters", ranges: [], classes: [], negated };
    while (this.next !== "]" || !(made.ranges.length || made.classes.length)) {
      const low = this.member(start);
      let high = low;
      if (this.next === "-" && !["]", undefined].includes(this.signs[this.place + 1])) {
        this.place += 1;
        high = this.member(start);
      }
      if (low.classes.length && low === high) made.classes.push(...low.classes);
      else if (low.classes.length || high.classes.length || low.ranges[0][0] > high.ranges[0][0]) this.broken();
      else made.ranges.push([low.ranges[0][0], high.ranges[0][0]]);
    }
    this.place += 1;
    return made;
  }

  /** A character of a set, or a class such as \d. @param {number} start @returns {Characters} */
  member(start) {
    if (!this.next) this.broken(start);
    if (this.next === "\\") return this.escape(true);
    this.place += 1;
    return characters([this.signs[this.place - 1]]);
  }

  /** @param {boolean} inside @returns {Characters} */
  escape(inside) {
    const letter = this.signs[this.place + 1] ?? "";
    if (letter.toLowerCase() in CLASSES) {
      this.place += 2;
      return characters([], false, [letter]);
    }
    if (letter in HEX) {
      const end = this.place + 2 + HEX[letter];
      const digits = this.signs.slice(this.place + 2, end).join("");
      if (digits.length < HEX[letter] || !/^[0-9a-f]+$/i.test(digits)) this.broken();
      this.place = end;
      return characters([String.fromCodePoint(Number.parseInt(digits, 16))]);
    }
    if (!letter || (!(letter in CONTROLS) && (/[a-z0-9]/i.test(letter) || (/\p{Nd}/u.test(letter) && !inside)))) this.broken();
    this.place += 2;
    return characters([CONTROLS[letter] ?? letter]);
  }

  get next() {
    return this.signs[this.place] ?? "";
  }

  /** Past `sign` if it comes next. @param {string} sign */
  take(sign) {
    const isNext = this.next === sign;
    if (isNext) this.place += 1;
    return isNext;
  }

  /** What cannot be read, from a place on. @param {number} [place] @returns {never} */
  broken(place = this.place) {
    const rest = this.signs.slice(place, place + 20).join("");
    refuse(rest ? "refusal.pattern" : "refusal.pattern.end", { rest, place: place + 1 });
  }
}
