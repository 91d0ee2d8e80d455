// The check of a stranger's graph before onnxruntime sees it: a short list of operators, a bounded
// number of nodes, no subgraphs, no functions, numbers that are all there, integers divided by
// positive constants only, the promised inputs and outputs. The limits are those of
// charmodels/runtime/verify.py; what that works out besides, the shape of every value, is left to
// the browser: what asks for too much is ended in its worker (see ../host.js and ../worker.js).
import { readModel } from "./onnx.js";
import { refuse } from "./refusal.js";
import { sum } from "./sampling.js";

/**
 * @typedef {import("./onnx.js").Tensor} Tensor
 * @typedef {{operators: string[], opsets: [number, number], maxNodes: number, maxBytes: number}} Limits
 */

/** Bytes of a number, by ONNX's element type. @type {Record<number, number>} */
const BYTES = { 1: 4, 10: 2, 7: 8, 6: 4, 3: 1, 2: 1, 4: 2, 9: 1 };
const PLAIN = [1, 2, 3, 4, 6, 7]; // attributes: numbers, their lists, texts, tensors
const TYPES = { float32: 1, int64: 7 };
const FLOATS = [1, 10]; // float32 and float16
const MAX_JOINED = 4096; // times that Concat may put a value beside others

/**
 * @param {Uint8Array} bytes of the graph
 * @param {import("./bundle.js").Bundle} bundle
 * @param {Limits} limits
 */
export function verifyGraph(bytes, bundle, limits) {
  if (bytes.length > limits.maxBytes) refuse("bundle.large", { file: "step.onnx" });
  let model;
  try {
    model = readModel(bytes);
  } catch {
    refused("protobuf");
  }
  const { graph, opsets, more } = model;
  if (!graph || more || graph.sparse) refused("graph");
  const [{ domain, version } = { domain: "?", version: 0 }] = opsets;
  if (opsets.length !== 1 || domain !== "" || version < limits.opsets[0] || version > limits.opsets[1]) refused("opset");
  if (graph.nodes.length > limits.maxNodes) refused("nodes");
  graph.weights.forEach(checkTensor);
  for (const { operator, domain: of, outputs, attributes } of graph.nodes) {
    if (!limits.operators.includes(operator) || !["", "ai.onnx"].includes(of)) refuse("bundle.operator", { name: `${of}.${operator}`.replace(/^\./, "").slice(0, 60) });
    if (new Set(attributes.map(({ name }) => name)).size < attributes.length) refused(operator);
    for (const { name, type, integer, tensor, subgraph } of attributes) {
      const lies = name === "num_outputs" && integer !== outputs.length;
      if (subgraph || lies || !PLAIN.includes(type)) refused(operator);
      if (tensor) checkTensor(tensor);
    }
  }
  const initial = new Set(graph.weights.map((tensor) => tensor.name));
  const states = bundle.states.map(({ name, dtype, shape }) => ({ name, type: TYPES[dtype], shape: ["batch", ...shape] }));
  const logits = { name: "logits", type: TYPES.float32, shape: ["batch", bundle.vocabulary.size] };
  const next = states.map((state) => ({ ...state, name: `next_${state.name}` }));
  const given = [{ name: "token", type: TYPES.int64, shape: ["batch"] }, ...states];
  same("inputs", graph.inputs.filter(({ name }) => !initial.has(name)), given);
  same("outputs", graph.outputs, [logits, ...next]);
  checkValues(graph, given);
}

/**
 * Follow the values through the nodes: each is made once, none is joined to a great size, and
 * integers are divided by positive constants only, as the least int64 by -1 ends the process.
 * @param {import("./onnx.js").Graph} graph @param {{name: string, type: number}[]} given
 */
function checkValues({ nodes, weights }, given) {
  /** @type {Map<string, {type: number, joined: number, constant?: Tensor}>} */
  const values = new Map();
  const make = (/** @type {string} */ name, /** @type {number} */ type, joined = 1, /** @type {Tensor | undefined} */ constant = undefined) => {
    if (name && values.has(name)) refused(`twice: ${name.slice(0, 60)}`);
    values.set(name, { type, joined, constant });
  };
  for (const { name, type } of given) make(name, type);
  for (const tensor of weights) make(tensor.name, tensor.type, 1, tensor);
  for (const { operator, inputs, outputs, attributes } of nodes) {
    if (inputs.some((name) => name && !values.has(name))) refused(operator); // made later, or never
    const read = inputs.map((name) => values.get(name) ?? { type: 0, joined: 1 });
    const times = read.map((value) => value.joined);
    const joined = operator === "Concat" ? sum(times) : Math.max(1, ...times);
    const divides = ["Div", "Mod"].includes(operator) && !FLOATS.includes(read[1]?.type);
    if (joined > MAX_JOINED || (divides && !isPositive(read[1]?.constant))) refused(operator);
    const constant = operator === "Constant" ? attributes[0]?.tensor : undefined;
    const made = operator === "Constant" ? constant?.type
      : operator === "Cast" ? attributes.find(({ name }) => name === "to")?.integer
      : /^(Qu|Dyn|Eq|Gre|Less|Not|And|Or)/.test(operator) ? 0 : read[/^(Where|Dequ)/.test(operator) ? 1 : 0]?.type;
    for (const name of outputs) make(name, made ?? 0, joined, constant);
  }
}

/** Whether all its numbers are whole ones above 0, as any reader takes them. @param {Tensor | undefined} tensor */
function isPositive(tensor) {
  if (!tensor) return false;
  const { raw, type, numbers } = tensor;
  const size = BYTES[type];
  if (!raw) return numbers.every((n) => n > 0 && n < 2 ** (8 * size - 1));
  for (let at = 0; at < raw.length; at += size) {
    const bytes = raw.subarray(at, at + size); // the last has the sign
    if (bytes[size - 1] > 127 || !bytes.some(Boolean)) return false;
  }
  return true;
}

/** Its numbers must be in the file, all of them, of a type a step needs, and numbers. @param {Tensor} tensor */
function checkTensor({ name, dims, type, raw, numbers, outside, location }) {
  const size = BYTES[type];
  const count = dims.reduce((a, b) => a * b, 1);
  const isWhole = raw ? raw.length === count * size : numbers.length === count;
  if (outside || location || !size || dims.some((n) => n < 0) || !isWhole) refused(`tensor ${name.slice(0, 60)}`);
  const infinite = raw && (type === 1 || type === 10)
    ? ones(raw, size, type === 1 ? 0x7f800000 : 0x7c00)
    : numbers.some((n) => !Number.isFinite(n) || (type === 10 && (n & 0x7c00) === 0x7c00));
  if (infinite) refused(`nan: tensor ${name.slice(0, 60)}`);
}

/** Whether a float's exponent is all ones somewhere: nan or infinity. @param {Uint8Array} raw @param {number} size @param {number} mask */
function ones(raw, size, mask) {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  for (let at = 0; at < raw.length; at += size) {
    const bits = size === 4 ? view.getUint32(at, true) : view.getUint16(at, true);
    if ((bits & mask) === mask) return true;
  }
  return false;
}

/**
 * Names, types and shapes, in order.
 * @param {string} what @param {import("./onnx.js").Value[]} found
 * @param {{name: string, type: number, shape: (number | string)[]}[]} expected
 */
function same(what, found, expected) {
  const said = found.map(({ name, type: { tensor, other } = {} }) => [name, other ? 0 : tensor?.type, tensor?.shape?.axes.map(({ size }) => size)]);
  const promised = expected.map(({ name, type, shape }) => [name, type, shape]);
  if (JSON.stringify(said) !== JSON.stringify(promised)) refused(what);
}

/** @param {string} what @returns {never} */
function refused(what) {
  refuse("bundle.graph", { what });
}
