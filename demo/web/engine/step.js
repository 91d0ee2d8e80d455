// The step graph behind onnxruntime-web: characters in, scores for the next ones out. Memory is a
// value: a step returns a new state and changes nothing.
import * as ort from "../lib/ort.mjs";

/**
 * Names to tensors, batch on axis 0, zero at the start of a text.
 * @typedef {Record<string, ort.Tensor>} State
 * @typedef {{name: string, shape: number[], dtype: "float32" | "int64"}} StateSpec
 */

ort.env.wasm.numThreads = 1; // more would need cross-origin isolation
ort.env.logLevel = "fatal"; // errors reach us as exceptions

/** Where onnxruntime's own code comes from. @param {Uint8Array} binary its WebAssembly */
export function useBinary(binary) {
  ort.env.wasm.wasmBinary = /** @type {ArrayBuffer} */ (binary.buffer);
}

/** A step graph opened in onnxruntime. */
export class Step {
  /** @param {ort.InferenceSession} session @param {StateSpec[]} states @param {number} vocab */
  constructor(session, states, vocab) {
    this.session = session;
    this.states = states;
    this.vocab = vocab;
  }

  /**
   * Open a graph that was checked.
   * @param {Uint8Array} graph @param {StateSpec[]} states @param {number} vocab
   */
  static async open(graph, states, vocab) {
    return new Step(await ort.InferenceSession.create(graph), states, vocab);
  }

  /** Zeros: the state before the first character. @returns {State} */
  initial() {
    return Object.fromEntries(
      this.states.map(({ name, shape, dtype }) => {
        const size = shape.reduce((a, b) => a * b, 1);
        return [name, tensor(dtype, dtype === "int64" ? new BigInt64Array(size) : new Float32Array(size), [1, ...shape])];
      }),
    );
  }

  /**
   * Read one id for each text.
   * @param {number[]} tokens (batch,) @param {State} state
   * @returns {Promise<{logits: Float32Array[], state: State}>} logits (batch, vocab), by row
   */
  async run(tokens, state) {
    const token = tensor("int64", BigInt64Array.from(tokens, BigInt), [tokens.length]);
    const made = await this.session.run({ token, ...state });
    const all = /** @type {Float32Array} */ (made.logits.data);
    const logits = tokens.map((_, row) => all.subarray(row * this.vocab, (row + 1) * this.vocab));
    const after = Object.keys(state).map((name) => [name, made[`next_${name}`]]);
    return { logits, state: Object.fromEntries(after) };
  }

  close() {
    return this.session.release();
  }
}

/**
 * The state of some rows of a batch; a row may be taken more than once.
 * @param {State} state @param {number[]} rows @returns {State}
 */
export function only(state, rows) {
  return Object.fromEntries(
    Object.entries(state).map(([name, { type, data, dims }]) => {
      const [batch, ...shape] = dims;
      const numbers = /** @type {Float32Array} */ (data); // or whole ones: both are copied alike
      const size = numbers.length / batch;
      const taken = numbers.slice(0, 0);
      const Kind = /** @type {Float32ArrayConstructor} */ (taken.constructor);
      const picked = new Kind(rows.length * size);
      rows.forEach((row, place) => picked.set(numbers.subarray(row * size, (row + 1) * size), place * size));
      return [name, tensor(/** @type {"float32"} */ (type), picked, [rows.length, ...shape])];
    }),
  );
}

/**
 * A copy in which some rows go on from `start`, of one text.
 * @param {State} state @param {number[]} rows @param {State} start
 */
export function replaced(state, rows, start) {
  if (!rows.length) return state;
  const batch = Object.values(state)[0].dims[0];
  const copy = only(state, Array.from({ length: batch }, (_, row) => row));
  for (const [name, { data }] of Object.entries(copy)) {
    const first = /** @type {Float32Array} */ (start[name].data);
    for (const row of rows) /** @type {Float32Array} */ (data).set(first, row * first.length);
  }
  return copy;
}

/**
 * @param {"float32" | "int64"} type
 * @param {Float32Array | BigInt64Array} data of that type
 * @param {number[]} dims
 */
function tensor(type, data, dims) {
  return new ort.Tensor(/** @type {"float32"} */ (type), /** @type {Float32Array} */ (data), dims);
}

/** One row of numbers from -1 to 1 or near. @param {State} state @param {string} name */
export function numbersOf(state, name) {
  return Array.from(/** @type {Float32Array} */ (state[name].data));
}

/** A state with other numbers in one entry, for one text. @param {State} state @param {string} name @param {number[]} numbers @returns {State} */
export function withNumbers(state, name, numbers) {
  return { ...state, [name]: tensor("float32", Float32Array.from(numbers), [1, numbers.length]) };
}
