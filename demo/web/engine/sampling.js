// From logits to the next id, step for step as charmodels/runtime/sampling.py does it: the same
// seed gives the same text there and here.
//
// Source of the random numbers: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
// generators", figure 16.

/**
 * How to choose the next character; every field as in bundle.json.
 * @typedef {object} Sampling
 * @property {number} temperature divides the logits; 0 always takes the likeliest, lowest id on ties
 * @property {number} top_k keep only the k likeliest characters; 0 keeps all
 * @property {number} top_p keep the likeliest until their probabilities sum to p
 * @property {number} min_p drop characters less likely than this share of the likeliest one
 * @property {number} balance -1 the network alone, 0 as fitted, 1 the n-gram alone
 */

/** @param {ArrayLike<number> & Iterable<number>} numbers */
export function sum(numbers) {
  let all = 0;
  for (const each of numbers) all += each;
  return all;
}

/** Both start and end of a record. */
export const BOUNDARY_ID = 0;

/** The largest seed. */
export const MAX_SEED = Number.MAX_SAFE_INTEGER;

const GOLDEN = 0x9e3779b97f4a7c15n;

/** @param {bigint} z @returns {bigint} SplitMix64's finaliser */
function mix(z) {
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

/** What `uniform` needs to know of a row of a seed. @param {number} seed @param {number} row */
export function rowKey(seed, row) {
  return mix(BigInt.asUintN(64, mix(BigInt(seed)) + BigInt(row)));
}

/** The key of a row for another try; try 0 is the row itself. @param {bigint} key @param {number} attempt */
export function tryKey(key, attempt) {
  return attempt === 0 ? key : mix(BigInt.asUintN(64, key + BigInt(attempt)));
}

/** The random number in [0, 1) of a position. @param {bigint} key @param {number} position */
export function uniform(key, position) {
  const z = BigInt.asUintN(64, key + (BigInt(position) + 1n) * GOLDEN);
  return Number(mix(z) >> 11n) * 2 ** -53;
}

/**
 * The next id, drawn by inverting the cumulative distribution in id order.
 * @param {ArrayLike<number>} logits (vocab,); -Infinity forbids an id
 * @param {number} drawn in [0, 1)
 * @param {Sampling} sampling
 * @param {boolean} mayEnd whether the boundary may be drawn
 */
export function pick(logits, drawn, sampling, mayEnd) {
  if (sampling.temperature === 0) {
    let best = mayEnd ? 0 : 1;
    for (let id = best + 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
    return best;
  }
  return draw(weights(logits, sampling, mayEnd), drawn);
}

/** The first id whose cumulative weight exceeds its share of all. @param {Float64Array} weight @param {number} drawn */
export function draw(weight, drawn) {
  const mark = drawn * sum(weight);
  let before = 0;
  for (let id = 0; id < weight.length; id++) if ((before += weight[id]) > mark) return id;
  return weight.length - 1;
}

/**
 * Unnormalised probabilities after temperature and filters (vocab,); the likeliest weighs 1.
 * @param {ArrayLike<number>} logits
 * @param {Sampling} sampling of a temperature above 0
 * @param {boolean} mayEnd
 */
export function weights(logits, sampling, mayEnd) {
  const weight = new Float64Array(logits.length);
  let most = -Infinity;
  for (let id = mayEnd ? 0 : 1; id < logits.length; id++) if (logits[id] > most) most = logits[id];
  for (let id = mayEnd ? 0 : 1; id < logits.length; id++) weight[id] = Math.exp((logits[id] - most) / sampling.temperature);
  const filters = sampling.top_k > 0 || sampling.top_p < 1 || sampling.min_p > 0;
  return filters ? filtered(weight, sampling) : weight;
}

/**
 * Zero what top-k, then top-p, then min-p drop; on ties the lower id stays.
 * @param {Float64Array} weight
 * @param {Sampling} sampling
 */
function filtered(weight, { top_k, top_p, min_p }) {
  const order = [...weight.keys()].sort((a, b) => weight[b] - weight[a]);
  const ranked = order.map((id, rank) => (top_k > 0 && rank >= top_k ? 0 : weight[id]));
  if (top_p < 1) {
    const total = sum(ranked);
    let before = 0; // the weight of all likelier characters
    ranked.forEach((own, rank) => {
      if (rank > 0 && !(before < top_p * total)) ranked[rank] = 0;
      before += own;
    });
  }
  const kept = new Float64Array(weight.length);
  order.forEach((id, rank) => {
    if (ranked[rank] >= min_p * ranked[0]) kept[id] = ranked[rank];
  });
  return kept;
}

/** Nats of every id, float64 (vocab,). @param {ArrayLike<number>} logits */
export function nats(logits) {
  const scores = Float64Array.from(logits);
  const most = Math.max(...scores);
  const total = sum(scores.map((score) => Math.exp(score - most)));
  return scores.map((score) => most - score + Math.log(total));
}
