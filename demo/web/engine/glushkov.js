// Which strings a regular expression means: an automaton whose states are the places in it, as in
// charmodels/runtime/glushkov.py. Sets of positions are whole numbers, bit p for position p.
//
// Source: Glushkov 1961, "The abstract theory of automata", section 12.
import { holds } from "./pattern.js";
import { refuse } from "./refusal.js";
import { sum } from "./sampling.js";

/**
 * @typedef {import("./pattern.js").Tree} Tree
 * @typedef {import("./pattern.js").Characters} Characters
 *
 * `reads`: of each position the ids that lead into it; `follow`: where the next may lead.
 * @typedef {{reads: Set<number>[], follow: bigint[], accepting: bigint}} Glushkov
 *
 * @typedef {{first: bigint, last: bigint, empty: boolean}} Part
 */

const MAX_POSITIONS = 2000;

/** @returns {never} */
export function tooLarge() {
  refuse("refusal.costly");
}

/** The positions of a set, upwards. @param {bigint} positions */
export function members(positions) {
  const found = /** @type {number[]} */ ([]);
  const bits = positions.toString(2);
  for (let place = bits.lastIndexOf("1"); place >= 0; place = place ? bits.lastIndexOf("1", place - 1) : -1)
    found.push(bits.length - 1 - place);
  return found;
}

/** @param {Iterable<bigint>} sets */
export function union(sets) {
  let all = 0n;
  for (const each of sets) all |= each;
  return all;
}

const bit = (/** @type {number} */ place) => 1n << BigInt(place);

/** Positions of an expression, counted without building it. @param {Tree} tree @returns {number} */
function sizeOf(tree) {
  if (tree.kind === "characters") return 1;
  if (tree.kind !== "repeat") return sum(tree.parts.map(sizeOf));
  return sizeOf(tree.part) * Math.max(1, tree.least, tree.most === Infinity ? 0 : tree.most);
}

/** The automaton of an expression over a vocabulary. @param {Tree} tree @param {string[]} symbols @returns {Glushkov} */
export function buildGlushkov(tree, symbols) {
  if (sizeOf(tree) >= MAX_POSITIONS) tooLarge();
  const reads = [/** @type {Set<number>} */ (new Set())];
  const follow = [0n];
  /** @type {Map<string, Set<number>>} */
  const known = new Map();
  /** @type {Part} */
  const nothing = { first: 0n, last: 0n, empty: true };

  const link = (/** @type {bigint} */ from, /** @type {bigint} */ after) => {
    for (const place of members(from)) follow[place] |= after;
  };

  /** @param {Characters} set @returns {Part} */
  const position = (set) => {
    const key = JSON.stringify(set);
    const ids = known.get(key) ?? new Set([...symbols.keys()].slice(1).filter((id) => holds(set, symbols[id])));
    known.set(key, ids);
    const here = bit(reads.push(ids) - 1);
    follow.push(0n);
    return { first: here, last: here, empty: false };
  };

  /** @param {Part} one @param {Part} other @returns {Part} */
  const then = (one, other) => {
    link(one.last, other.first);
    return {
      first: one.first | (one.empty ? other.first : 0n),
      last: other.last | (other.empty ? one.last : 0n),
      empty: one.empty && other.empty,
    };
  };

  /** @param {Tree} part @returns {Part} */
  const build = (part) => {
    if (part.kind === "characters") return position(part);
    if (part.kind === "sequence") return part.parts.map(build).reduce(then, nothing);
    if (part.kind === "choice") {
      const parts = part.parts.map(build);
      return {
        first: union(parts.map((each) => each.first)),
        last: union(parts.map((each) => each.last)),
        empty: parts.some((each) => each.empty),
      };
    }
    const { least, most } = part;
    const times = Math.max(1, least, most === Infinity ? 0 : most);
    const copies = Array.from({ length: times }, () => build(part.part));
    if (most === 0) return nothing;
    const needed = copies[0].empty ? 0 : least;
    copies.slice(1).forEach((copy, place) => link(copies[place].last, copy.first));
    const end = copies[copies.length - 1];
    if (most === Infinity) link(end.last, end.first);
    const ends = copies.slice(Math.max(0, needed - 1)).map((copy) => copy.last);
    return { first: copies[0].first, last: union(ends), empty: needed === 0 };
  };

  const whole = build(tree);
  link(1n, whole.first);
  const entered = union(reads.map((ids, place) => (ids.size ? bit(place) : 0n)));
  return { reads, follow: follow.map((after) => after & entered), accepting: whole.last | (whole.empty ? 1n : 0n) };
}

/** The automaton of what both mean: its positions are the pairs that can be reached. @param {Glushkov} one @param {Glushkov} other @returns {Glushkov} */
export function intersect(one, other) {
  const pairs = [[0, 0]];
  const numbers = new Map([["0 0", 0]]);
  const reads = [/** @type {Set<number>} */ (new Set())];
  const follow = /** @type {bigint[]} */ ([]);
  /** @type {Map<Set<number>, Map<Set<number>, Set<number>>>} */
  const shared = new Map();
  const both = (/** @type {Set<number>} */ a, /** @type {Set<number>} */ b) => {
    const of = shared.get(a) ?? new Map();
    shared.set(a, of);
    if (!of.has(b)) of.set(b, new Set([...a].filter((id) => b.has(id))));
    return of.get(b);
  };
  for (const [a, b] of pairs) { // which grow
    let after = 0n;
    const others = members(other.follow[b]);
    for (const nextA of members(one.follow[a]))
      for (const nextB of others) {
        const ids = both(one.reads[nextA], other.reads[nextB]);
        if (!ids.size) continue;
        const key = `${nextA} ${nextB}`;
        if (!numbers.has(key)) {
          numbers.set(key, pairs.push([nextA, nextB]) - 1);
          reads.push(ids);
        }
        after |= bit(numbers.get(key) ?? 0);
      }
    follow.push(after);
    if (pairs.length > MAX_POSITIONS) tooLarge();
  }
  const ends = pairs.map(([a, b], place) => ((one.accepting >> BigInt(a)) & (other.accepting >> BigInt(b)) & 1n) << BigInt(place));
  return { reads, follow, accepting: union(ends) };
}
