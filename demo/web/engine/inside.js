// A text from inside a model: what each character cost it, one hidden unit along it, what comes next.
import { balanced, beginning, walk } from "./generation.js";
import { refuse } from "./refusal.js";
import { BOUNDARY_ID, nats } from "./sampling.js";
import { numbersOf } from "./step.js";

/**
 * @typedef {import("./model.js").Model} Model
 *
 * One number of the memory.
 * @typedef {{state: string, index: number}} Unit
 *
 * Of each character, "" for the end of a name: its bits, the likeliest there, the unit's value.
 * @typedef {{character: string, bits: number, expected: [string, number][], value: number | null}} Letter
 *
 * `next` has the probability of each id by the part that is heard: `both`, `network`, `ngram`.
 * @typedef {{letters: Letter[], next: Record<string, number[]>}} Seen
 */

export const MAX_TEXT = 1000;
const MAX_NAMES = 50;
const LIKELIEST = 5;
const HEARD = { both: 0, network: -1, ngram: 1 };

/**
 * Read names, one a line, each from the beginning; or one text.
 * @param {Model} model @param {string} text @param {Unit | null} unit @returns {Promise<Seen>}
 */
export async function inspect(model, text, unit) {
  const rows = rowsOf(model, text);
  /** @type {Letter[]} */
  const letters = [];
  for (const ids of rows) {
    const targets = model.endless || !ids.length ? ids : [...ids, BOUNDARY_ID];
    const first = letters.length;
    await walk(model.step, ids, beginning(model.step), (index, logits, state) => {
      if (index > 0 && unit) letters[first + index - 1].value = numbersOf(state, unit.state)[unit.index];
      if (index === targets.length) return;
      const paid = nats(logits);
      const shown = { bits: paid[targets[index]] / Math.LN2, expected: best(model, paid, index === 0) };
      letters.push({ character: model.vocabulary.symbols[targets[index]], value: null, ...shown });
    });
  }
  const last = rows[rows.length - 1];
  const parts = Object.entries(HEARD).slice(0, model.hasNgram ? 3 : 1);
  /** @type {Seen["next"]} */
  const next = {};
  for (const [part, balance] of parts) {
    const { state, token } = beginning(model.step);
    const memory = last.length ? { state: balanced(state, balance), token } : undefined;
    next[part] = [...(await model.predict(last, memory))];
  }
  return { letters, next };
}

/** @param {Model} model @param {string} text */
function rowsOf(model, text) {
  const whole = model.encodable(text, MAX_TEXT);
  if (model.endless) return [model.encode(whole, MAX_TEXT)];
  const lines = whole.split("\n");
  const last = lines.pop() ?? "";
  const names = lines.filter(Boolean);
  if (names.length >= MAX_NAMES) refuse("refusal.names", { count: names.length + 1, limit: MAX_NAMES });
  return [...names, last].map((name) => model.encode(name, MAX_TEXT));
}

/** The likeliest: no text ends, nor a name not yet begun. @param {Model} model @param {Float64Array} paid @param {boolean} isFirst @returns {[string, number][]} */
function best(model, paid, isFirst) {
  const ids = [...paid.keys()].slice(model.endless || isFirst ? 1 : 0);
  const ranked = ids.sort((a, b) => paid[a] - paid[b]).slice(0, LIKELIEST);
  return ranked.map((id) => [model.vocabulary.symbols[id], Math.exp(-paid[id])]);
}
