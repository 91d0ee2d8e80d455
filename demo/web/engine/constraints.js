// Names that are as they were asked to be, drawn nearly as often as the model itself writes them:
// charmodels/runtime/constraints.py, candidates.py and the guided half of rows.py.
//
// Source: Rubin 1987, "The SIR algorithm", in the discussion of Tanner and Wong.
import { balanced, beginning, walk } from "./generation.js";
import { buildGlushkov, intersect } from "./glushkov.js";
import { countPairs, Guide } from "./guide.js";
import { ANY, literal, parsePattern } from "./pattern.js";
import { refuse } from "./refusal.js";
import { draw, pick, rowKey, sum, tryKey, uniform, weights } from "./sampling.js";
import { only } from "./step.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./sampling.js").Sampling} Sampling
 *
 * What is asked of names, all of it at once; `length` is at least and at most.
 * @typedef {{starts: string, ends: string, contains: string, pattern: string, length: [number, number] | null, novel: boolean, judged?: boolean}} Constraint
 *
 * A row, and how much likelier it is by the model than as the guide led it.
 * @typedef {{ids: number[], logWeight: number}} Written
 */

const CANDIDATES = 16;
const MAX_TRIES = 512;
const CHOICE = 2 ** 32; // the try whose random numbers choose among the others
const ROWS_AT_ONCE = 256;
const LEAST_CHANCE = 1e-300;
const GIVE_UP = 4; // nats by which a candidate may fall behind

/** Any names. @type {Constraint} */
export const NOTHING = { starts: "", ends: "", contains: "", pattern: "", length: null, novel: false };

/** @type {WeakMap<Model, Promise<Float64Array[]>>} */
const counted = new WeakMap();

/**
 * Names to a constraint, one after another; row i depends only on (seed, i).
 * @param {Model} model @param {Constraint} constraint
 * @param {import("./generation.js").Writing & {count: number}} writing @param {number} first row
 * @returns {AsyncGenerator<string[]>} as many as are found at once
 */
export async function* choose(model, constraint, { sampling, maxChars, seed, count }, first) {
  const { membership } = model.bundle;
  if (constraint.novel && !membership) refuse("refusal.unjudged");
  const isShape = constraint.ends || constraint.contains || constraint.pattern || constraint.length;
  const looksAhead = isShape && sampling.temperature > 0;
  if (looksAhead && !counted.has(model)) counted.set(model, countPairs(model.step));
  const pairs = looksAhead ? await counted.get(model) : null;
  const { start, guide } = guideNames(model, constraint, maxChars, pairs ?? null);
  const ids = model.vocabulary.encode(start);
  const limit = guide ? guide.longest + 1 - guide.length : maxChars - ids.length;
  const tries = guide && sampling.temperature > 0 ? CANDIDATES : 1;
  const named = (/** @type {number[]} */ written) => start + model.vocabulary.decode(written);
  const isNew = (/** @type {Written} */ each) => !constraint.novel || !membership?.knows(named(each.ids));
  const atOnce = Math.floor(ROWS_AT_ONCE / tries);
  for (let done = 0, size = Math.min(2, atOnce); done < count; done += size, size = Math.min(2 * size, atOnce)) {
    const rows = Array.from({ length: Math.min(size, count - done) }, (_, i) => first + done + i);
    const keys = rows.map((row) => rowKey(seed, row));
    /** @type {(number[] | undefined)[]} */
    const found = rows.map(() => undefined);
    for (let tried = 0, some = tries; found.includes(undefined); ) {
      const left = [...keys.keys()].filter((place) => !found[place]);
      const asked = left.flatMap((place) => Array.from({ length: some }, (_, i) => tryKey(keys[place], tried + i)));
      const giveUp = tried ? Infinity : GIVE_UP;
      const drawn = limit ? await writeRows(model, ids, asked, sampling, limit, guide, giveUp) : asked.map(() => ({ ids: [], logWeight: 0 }));
      for (const [place, row] of left.entries()) {
        const fit = drawn.slice(place * some, (place + 1) * some).filter((each) => isNew(each) && each.logWeight > -Infinity);
        if (fit.length) found[row] = oneOf(fit, uniform(tryKey(keys[row], CHOICE), tried));
      }
      [tried, some] = [tried + some, Math.max(CANDIDATES, 2 * some)];
      if (found.includes(undefined) && (tried >= MAX_TRIES || sampling.temperature === 0)) {
        const whole = found.slice(0, found.indexOf(undefined));
        yield whole.map((written) => named(written ?? []));
        return; // no more new ones are found
      }
    }
    yield found.map((written) => named(written ?? []));
  }
}

/**
 * How all names begin, and the guide for the rest; null where any rest will do.
 * @param {Model} model @param {Constraint} constraint @param {number} longest @param {Float64Array[] | null} pairs
 */
export function guideNames({ vocabulary }, constraint, longest, pairs) {
  const { starts, ends, contains, pattern, length } = constraint;
  const anything = /** @type {import("./pattern.js").Repeat} */ ({ kind: "repeat", part: ANY, least: 0, most: Infinity });
  if (length && !(length[0] >= 0 && Math.max(1, length[0]) <= length[1])) refuse("refusal.order", { shortest: length[0], longest: length[1] });
  /** @type {import("./pattern.js").Tree[]} */
  const trees = [];
  if (pattern) trees.push(parsePattern(pattern.normalize("NFC")));
  if (ends) trees.push({ kind: "sequence", parts: [anything, literal(ends.normalize("NFC"))] });
  if (contains) trees.push({ kind: "sequence", parts: [anything, literal(contains.normalize("NFC")), anything] });
  const start = starts.normalize("NFC");
  const impossible = () => refuse("refusal.impossible");
  if (vocabulary.unknown(start).length) impossible();
  if (!trees.length && !length && [...start].length <= longest) return { start, guide: null };
  const automata = (trees.length ? trees : [anything]).map((tree) => buildGlushkov(tree, vocabulary.symbols));
  const most = length ? Math.min(longest, length[1]) : longest;
  const guide = new Guide(automata.reduce(intersect), vocabulary.size, length?.[0] ?? 0, most, pairs);
  guide.begin(vocabulary.encode(start));
  if (!guide.isPossible) impossible();
  return { start: start + vocabulary.decode(guide.forced()), guide };
}

/**
 * A row for each key, side by side, led by the guide. One is given up when its weight, by what the
 * guide expects of it, is so many nats below that of all rows at their beginning.
 * @param {Model} model @param {number[]} ids what all rows begin with @param {bigint[]} keys
 * @param {Sampling} sampling @param {number} limit @param {Guide | null} guide @param {number} giveUp
 */
async function writeRows(model, ids, keys, sampling, limit, guide, giveUp) {
  const { step } = model;
  const isGreedy = sampling.temperature === 0;
  const warmth = Math.fround(sampling.temperature);
  const start = beginning(step);
  const opened = await walk(step, ids, { ...start, state: balanced(start.state, sampling.balance) });
  const rows = keys.map((key) => ({ key, ids: /** @type {number[]} */ ([]), logWeight: 0, at: guide?.start ?? 0n, over: false }));
  const from = guide?.length ?? 0;
  let least = -Infinity;

  /** @param {Float32Array} logits @param {Float32Array} nats of the guide */
  const led = (logits, nats) => {
    const shown = new Float32Array(logits.length);
    for (let id = 0; id < shown.length; id++)
      shown[id] = isGreedy ? (nats[id] > -Infinity ? logits[id] : nats[id]) : logits[id] + Math.fround(nats[id] * warmth);
    return shown;
  };

  /** @param {Float64Array} weight */
  const logChance = (weight) => {
    const total = sum(weight);
    return (/** @type {number} */ id) => Math.log(Math.max(weight[id] / total, LEAST_CHANCE));
  };

  let busy = rows;
  let state = only(opened.state, busy.map(() => 0));
  let logits = busy.map(() => opened.logits);
  for (let position = 0; busy.length; position++) {
    const mayEnd = position > 0 || ids.length > 0;
    busy.forEach((row, place) => {
      const own = mayEnd ? logits[place] : logits[place].with(0, -Infinity);
      const nats = guide?.outlook(row.at, from + position);
      const shown = nats ? led(own, nats) : own;
      const drawn = uniform(row.key, position);
      const weight = isGreedy ? null : weights(shown, sampling, mayEnd);
      let id = weight ? draw(weight, drawn) : pick(shown, drawn, sampling, mayEnd);
      if (guide && nats) {
        const [ours, theirs] = weight ? [logChance(weights(own, sampling, true)), logChance(weight)] : [];
        const gained = (/** @type {number} */ each) => (ours && theirs ? ours(each) - theirs(each) : 0);
        if (position === 0 && place === 0) least = nats.reduce((most, hope, each) => Math.max(most, gained(each) + hope), -Infinity) - giveUp;
        row.logWeight += gained(id);
        if (position > 0 && id && row.logWeight + nats[id] < least) [id, row.logWeight] = [0, -Infinity];
        if (id) row.at = guide.advance(row.at, id, from + position);
      }
      if (id) row.ids.push(id);
      row.over = id === 0 || row.ids.length === limit;
    });
    const going = [...busy.keys()].filter((place) => !busy[place].over);
    if (going.length < busy.length) state = only(state, going);
    busy = going.map((place) => busy[place]);
    if (busy.length) ({ logits, state } = await step.run(busy.map((row) => row.ids[row.ids.length - 1]), state));
  }
  return /** @type {Written[]} */ (rows);
}

/** One of the candidates, by weight. @param {Written[]} candidates @param {number} drawn */
function oneOf(candidates, drawn) {
  const most = Math.max(...candidates.map((each) => each.logWeight));
  let total = 0;
  const sums = candidates.map((each) => (total += Math.exp(each.logWeight - most)));
  const place = sums.findIndex((sum) => sum > drawn * total);
  return candidates[place < 0 ? candidates.length - 1 : place].ids;
}
