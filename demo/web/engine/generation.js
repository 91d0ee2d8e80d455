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
 * The state with its balance set, for a text from here on (see charmodels/runtime/balance.py);
 * a model without n-gram has none.
 * @param {State} state @param {number} balance
 */
export function balanced(state, balance) {
  if (!(MIX in state)) return state;
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

  async read() {
    const [token, ...ids] = this.unread;
    const { logits, state } = await walk(this.step, ids, { state: this.state, token });
    this.state = state;
    return logits;
  }

  /** What has been read and said so far: starts the next stream. */
  async memory() {
    const [token, ...ids] = this.unread;
    const memory = await remember(this.step, ids, { state: this.state, token });
    [this.state, this.unread] = [memory.state, [memory.token]];
    return memory;
  }
}

/**
 * Read a whole text after `memory`: the logits and state after it; calls `each` with the index,
 * logits and state before every id.
 * @param {Step} step @param {number[]} ids @param {Memory} memory
 * @param {(index: number, logits: Float32Array, state: State) => void} [each] also after the last id
 */
export async function walk(step, ids, memory, each) {
  let made = await step.run([memory.token], memory.state);
  for (const [index, id] of ids.entries()) {
    each?.(index, made.logits[0], made.state);
    made = await step.run([id], made.state);
  }
  const [logits] = made.logits;
  each?.(ids.length, logits, made.state);
  return { logits, state: made.state };
}

/** The memory after a text. @param {Step} step @param {number[]} ids @param {Memory} [memory] */
export async function remember(step, ids, memory = beginning(step)) {
  if (!ids.length) return memory;
  const { state } = await walk(step, ids.slice(0, -1), memory);
  return { state, token: ids[ids.length - 1] };
}

/** Nats the model pays for each of `ids` after `memory`. @param {Step} step @param {number[]} ids @param {Memory} [memory] */
export async function score(step, ids, memory = beginning(step)) {
  const paid = /** @type {number[]} */ ([]);
  await walk(step, ids.slice(0, -1), memory, (index, logits) => {
    if (index < ids.length) paid.push(nats(logits)[ids[index]]);
  });
  return paid;
}
