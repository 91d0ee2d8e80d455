// Which characters may come next, so that a name ends as it must and within the length it may have,
// and how much a good end is to be hoped for: charmodels/runtime/guide.py and foresight.py.
//
// Source: Zhang, Kung, Yoshida, Van den Broeck and Peng 2024, "Adaptable logical control for large
// language models", https://arxiv.org/abs/2406.13892, with pairs of characters for a hidden chain.
import { members, tooLarge, union } from "./glushkov.js";
import { pick, rowKey, sum, uniform, weights } from "./sampling.js";
import { only, replaced } from "./step.js";

/** @typedef {import("./glushkov.js").Glushkov} Glushkov */

const MAX_LAYERS = 400_000;
const MAX_WORK = 60_000_000; // multiplications of looking ahead
const AHEAD = 48;
const LEAST = 1e-6;
const NAMES = 64;
const CHARACTERS = 24;
const PLAIN = { temperature: 1, top_k: 0, top_p: 1, min_p: 0, balance: 0 };
const END = 0; // the class of the boundary

/** The way of the names of one call. A node is where a name stands: its positions and its length. */
export class Guide {
  /**
   * @param {Glushkov} automaton @param {number} vocab
   * @param {number} shortest characters of a name at least @param {number} longest at most
   * @param {Float64Array[] | null} pairs of `countPairs`, to look ahead with
   */
  constructor(automaton, vocab, shortest, longest, pairs) {
    this.follow = automaton.follow;
    this.accepting = automaton.accepting;
    this.shortest = Math.max(1, shortest);
    this.longest = longest;
    const { classes, into } = classesOf(automaton, vocab);
    this.classes = classes;
    this.into = into;
    this.within = withinOf(automaton);
    this.below = this.aliveBelow();
    const work = this.follow.length ** 2 * into.length * (AHEAD + this.shortest);
    const foresees = pairs && work <= MAX_WORK && this.shortest <= longest;
    this.foresight = foresees ? new Foresight(automaton, classes, into, pairs, this.shortest, longest) : null;
    this.length = 0;
    this.start = 1n & this.alive(0);
    /** @type {Map<string, Float32Array>} */
    this.looks = new Map();
  }

  get isPossible() {
    return this.outlook(this.start, this.length).some((nats) => nats > -Infinity);
  }

  /** Let all names go on with these ids. @param {number[]} ids */
  begin(ids) {
    for (const id of ids) {
      this.start = this.advance(this.start, id, this.length);
      this.length += 1;
    }
  }

  /** Let all names go on with what they all have next; the ids of that. */
  forced() {
    const given = /** @type {number[]} */ ([]);
    for (;;) {
      const nats = this.outlook(this.start, this.length);
      const open = [...nats.keys()].filter((id) => nats[id] > -Infinity);
      if (open.length !== 1 || open[0] === 0) return given;
      given.push(open[0]);
      this.begin(open);
    }
  }

  /** Where a name of `length` characters comes to by one id more. @param {bigint} positions @param {number} id @param {number} length */
  advance(positions, id, length) {
    return this.step(positions, length + 1) & this.into[this.classes[id]];
  }

  /** How likely a good end is after each id (vocab,), in nats. @param {bigint} positions @param {number} length */
  outlook(positions, length) {
    // Where no limit is near, one outlook stands for every length: that of the first one met.
    const isPlain = this.shortest <= length && length <= this.longest - this.within.length;
    const key = `${positions.toString(36)} ${isPlain ? "" : length}`;
    const known = this.looks.get(key);
    if (known) return known;
    const nats = new Float32Array(this.into.length).fill(-Infinity);
    const mayEnd = this.shortest <= length && length <= this.longest;
    if (mayEnd && positions & this.accepting) nats[END] = 0;
    const ahead = this.step(positions, length + 1);
    this.into.forEach((into, kind) => {
      const led = ahead & into;
      if (led) nats[kind] = this.foresight ? this.foresight.logChance(led, kind, length + 1) : 0;
    });
    const all = Float32Array.from(this.classes, (kind) => nats[kind]);
    this.looks.set(key, all);
    return all;
  }

  /** Where any character leads to, if an end can be met from there. @param {bigint} positions @param {number} length */
  step(positions, length) {
    return union(members(positions).map((each) => this.follow[each])) & this.alive(length);
  }

  /** The positions from which a name of that length can still end as it must. @param {number} length */
  alive(length) {
    if (length < this.shortest) return this.below[length];
    if (length > this.longest) return 0n;
    return this.within[Math.min(this.longest - length, this.within.length - 1)];
  }

  aliveBelow() {
    if (this.shortest * this.follow.length > MAX_LAYERS) tooLarge();
    /** @type {bigint[]} */
    const below = [];
    let alive = this.alive(this.shortest);
    for (let layer = 0; layer < this.shortest; layer++) {
      alive = union(this.follow.map((after, place) => (after & alive ? 1n << BigInt(place) : 0n)));
      below.unshift(alive);
    }
    return below;
  }
}

/** How likely names are to end as they must, by which characters a model lets follow which. */
class Foresight {
  /**
   * @param {Glushkov} automaton @param {number[]} kinds the class of each id @param {bigint[]} into
   * @param {Float64Array[]} pairs @param {number} shortest @param {number} longest
   */
  constructor({ follow, accepting }, kinds, into, pairs, shortest, longest) {
    this.shortest = shortest;
    this.longest = longest;
    const chain = chainOf(pairs, kinds, into.length);
    const after = follow.map(members);
    const enters = follow.map((_, place) => into.map((set) => Number((set >> BigInt(place)) & 1n)));
    const ends = follow.map((_, place) =>
      chain.map((row) => ((accepting >> BigInt(place)) & 1n ? row[END] : 0)));

    /** One character earlier. @param {number[][]} chances (position, class) */
    const before = (chances) => {
      const entered = chances.map((row, place) =>
        chain.map((next) => row.reduce((sum, chance, kind) => sum + chance * enters[place][kind] * next[kind], 0)));
      return after.map((places) => chain.map((_, kind) => places.reduce((sum, place) => sum + entered[place][kind], 0)));
    };
    const capped = (/** @type {number[][]} */ rows) => rows.map((row) => row.map((chance) => Math.min(chance, 1)));

    this.above = [capped(ends)]; // by the characters that are left
    for (let left = 0; left < Math.min(longest, AHEAD); left++) {
      const earlier = before(this.above[left]);
      this.above.push(capped(ends.map((row, place) => row.map((end, kind) => end + earlier[place][kind]))));
    }
    /** @type {number[][][]} */
    this.below = []; // by length, where a name may not end yet
    let later = this.at(shortest);
    for (let length = 0; length < shortest; length++) {
      later = capped(before(later));
      this.below.unshift(later);
    }
  }

  /** In nats. @param {bigint} positions @param {number} kind @param {number} length */
  logChance(positions, kind, length) {
    const chances = this.at(length);
    const together = sum(members(positions).map((place) => chances[place][kind]));
    return Math.log(Math.min(Math.max(together, LEAST), 1));
  }

  /** @param {number} length */
  at(length) {
    if (length < this.shortest) return this.below[length];
    return this.above[Math.min(this.longest - length, this.above.length - 1)];
  }
}

/**
 * How often each id follows each, (vocab, vocab), in names that the model writes.
 * @param {import("./step.js").Step} step
 */
export async function countPairs(step) {
  const start = step.initial();
  let state = only(start, Array(NAMES).fill(0));
  let tokens = Array(NAMES).fill(0);
  const pairs = Array.from({ length: step.vocab }, () => new Float64Array(step.vocab));
  const keys = tokens.map((_, row) => rowKey(0, row));
  for (let position = 0; position < CHARACTERS; position++) {
    const made = await step.run(tokens, state);
    tokens = tokens.map((token, row) => {
      const chances = weights(made.logits[row], PLAIN, true);
      if (token === 0) chances[0] = 0; // an empty name is no name
      const total = sum(chances);
      chances.forEach((chance, id) => (pairs[token][id] += chance / total));
      const logits = Float32Array.from(chances, (chance) => Math.log(chance / total + 1e-30));
      return pick(logits, uniform(keys[row], position), PLAIN, true);
    });
    const over = [...tokens.keys()].filter((row) => tokens[row] === 0);
    state = replaced(made.state, over, start);
  }
  return pairs;
}

/** The chance of each class after each; none is impossible. @param {Float64Array[]} pairs @param {number[]} kinds @param {number} count */
function chainOf(pairs, kinds, count) {
  const together = Array.from({ length: count }, () => /** @type {number[]} */ (Array(count).fill(0)));
  pairs.forEach((row, from) => row.forEach((times, to) => (together[kinds[from]][kinds[to]] += times)));
  const columns = together[0].map((_, kind) => sum(together.map((row) => row[kind])));
  const all = sum(columns);
  return together.map((row) => {
    const added = row.map((times, kind) => times + columns[kind] / all + LEAST); // one character more
    const total = sum(added);
    return added.map((times) => times / total);
  });
}

/** Characters that no position tells apart, as one class. @param {Glushkov} automaton @param {number} vocab */
function classesOf({ reads }, vocab) {
  const led = Array(vocab).fill(0n);
  reads.forEach((ids, place) => ids.forEach((id) => (led[id] |= 1n << BigInt(place))));
  const distinct = [...new Set(led)].filter(Boolean).sort((a, b) => (a < b ? -1 : 1));
  const into = [0n, 0n, ...distinct];
  const numbers = new Map(into.map((positions, kind) => [positions, kind]));
  const classes = led.map((positions) => numbers.get(positions) ?? 1);
  classes[0] = END;
  return { classes, into };
}

/** Of 0, 1, ... characters: the positions from which so many, or fewer, lead to an end. @param {Glushkov} automaton */
function withinOf({ follow, accepting }) {
  const before = Array(follow.length).fill(0n);
  follow.forEach((after, place) => members(after).forEach((each) => (before[each] |= 1n << BigInt(place))));
  const within = [accepting];
  for (let fresh = accepting; ; ) {
    const last = within[within.length - 1];
    fresh = union(members(fresh).map((place) => before[place])) & ~last;
    if (!fresh) return within;
    within.push(last | fresh);
  }
}
