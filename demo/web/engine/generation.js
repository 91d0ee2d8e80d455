// The loop: state in, character out, state carried by the caller, as in
// charmodels/runtime/generation.py.
import { BOUNDARY_ID, nats, pick, rowKey, uniform } from "./sampling.js";
import { withNumbers } from "./step.js";

/**
 * @typedef {import("./sampling.js").Sampling} Sampling
 * @typedef {import("./step.js").Step} Step
 * @typedef {import("./step.js").State} State
 *
 * Everything one text has said so far: `token` is the last id, not yet read, `state` the state
 * before it.
 * @typedef {{state: State, token: number}} Memory
 *
 * @typedef {object} Writing
 * @property {Sampling} sampling
 * @property {number} maxChars
 * @property {number} seed
 * @property {boolean} endless texts never emit the boundary
 */

const MIX = "mix_0";

/** A text that has not begun. @param {Step} step @returns {Memory} */
export function beginning(step) {
  return { state: step.initial(), token: BOUNDARY_ID };
}

/**
 * The state with its balance set, for a text from here on (see charmodels/runtime/balance.py).
 * @param {State} state @param {number} balance
 */
export function balanced(state, balance) {
  if (!(MIX in state)) {
    if (balance) throw new RangeError("balance: this model has no n-gram");
    return state;
  }
  const share = Math.abs(balance);
  return withNumbers(state, MIX, [-share || 0, balance < 0 ? share : 0, balance > 0 ? share : 0]);
}

/** The ids one text goes on with, one at a time, until its end or the limit. */
export class Stream {
  /**
   * Read `ids` after `memory`, then write.
   * @param {Step} step @param {number[]} ids @param {Writing} writing
   * @param {Memory} [memory] @param {number} [row]
   */
  constructor(step, ids, writing, memory = beginning(step), row = 0) {
    this.step = step;
    this.writing = writing;
    this.state = balanced(memory.state, writing.sampling.balance);
    this.unread = [memory.token, ...ids];
    this.key = rowKey(writing.seed, row);
    this.position = 0;
    this.mayEnd = !writing.endless && ids.length > 0; // an empty name is no name
    this.ended = false;
  }

  /** The next id and what it cost in nats, or null when the text is over. */
  async next() {
    const { sampling, maxChars, endless } = this.writing;
    if (this.ended || this.position >= maxChars) return null;
    const logits = await this.read();
    const id = pick(logits, uniform(this.key, this.position), sampling, this.mayEnd);
    this.unread = [id];
    this.position += 1;
    this.mayEnd = !endless;
    this.ended = id === BOUNDARY_ID;
    return this.ended ? null : { id, nats: nats(logits)[id] };
  }

  /** @returns {Promise<Float32Array>} */
  async read() {
    let logits = /** @type {Float32Array} */ (new Float32Array());
    for (const token of this.unread) {
      const made = await this.step.run([token], this.state);
      this.state = made.state;
      logits = made.logits[0];
    }
    return logits;
  }

  /** What has been read and said so far: starts the next stream. @returns {Promise<Memory>} */
  async memory() {
    const token = this.unread[this.unread.length - 1];
    this.unread.pop();
    await this.read();
    this.unread = [token];
    return { state: this.state, token };
  }
}

/**
 * Read a whole text after `memory`: calls `each` with the index, logits and state before every id.
 * @param {Step} step @param {number[]} ids @param {Memory} memory
 * @param {(index: number, logits: Float32Array, state: State) => void} each also after the last id
 */
export async function walk(step, ids, memory, each) {
  let { state } = memory;
  const all = [memory.token, ...ids];
  for (const [index, token] of all.entries()) {
    const made = await step.run([token], state);
    state = made.state;
    each(index, made.logits[0], state);
  }
}

/** Nats the model pays for each of `ids` after `memory`. @param {Step} step @param {number[]} ids @param {Memory} [memory] */
export async function score(step, ids, memory = beginning(step)) {
  const paid = /** @type {number[]} */ ([]);
  await walk(step, ids.slice(0, -1), memory, (index, logits) => {
    if (index < ids.length) paid.push(nats(logits)[ids[index]]);
  });
  return paid;
}

/** The logits and state after a beginning. @param {Step} step @param {number[]} ids @param {State} state */
export async function reading(step, ids, state) {
  let made = await step.run([BOUNDARY_ID], state);
  for (const id of ids) made = await step.run([id], made.state);
  return { logits: made.logits[0], state: made.state };
}
