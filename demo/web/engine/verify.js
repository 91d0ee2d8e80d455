// The check of a stranger's graph before onnxruntime sees it: a short list of operators, a bounded
// number of nodes, no subgraphs, no functions, numbers that are all there, the promised inputs and
// outputs. The limits are those of charmodels/runtime/verify.py; what that works out besides, the
// shape of every value, is left to the browser: what asks for too much stops in its own worker.
import { readModel } from "./onnx.js";
import { Refusal } from "./refusal.js";

/**
 * @typedef {import("./onnx.js").Tensor} Tensor
 * @typedef {{operators: string[], opsets: [number, number], maxNodes: number, maxBytes: number}} Limits
 */

/** Bytes of a number, by ONNX's element type. @type {Record<number, number>} */
const BYTES = { 1: 4, 10: 2, 7: 8, 6: 4, 3: 1, 2: 1, 4: 2, 9: 1 };
const PLAIN = [1, 2, 3, 4, 6, 7]; // attributes: numbers, their lists, texts, tensors
const TYPES = { float32: 1, int64: 7 };
const MAX_JOINED = 4096; // times that Concat may put a value beside others

/**
 * @param {Uint8Array} bytes of the graph
 * @param {import("./bundle.js").Bundle} bundle
 * @param {Limits} limits
 */
export function verifyGraph(bytes, bundle, limits) {
  if (bytes.length > limits.maxBytes) throw new Refusal("bundle.large", { file: "step.onnx" });
  let model;
  try {
    model = readModel(bytes);
  } catch {
    throw refused("protobuf");
  }
  const { graph, opsets, more } = model;
  if (!graph || more || graph.sparse) throw refused("graph");
  const [{ domain, version } = { domain: "?", version: 0 }] = opsets;
  if (opsets.length !== 1 || domain !== "" || version < limits.opsets[0] || version > limits.opsets[1]) throw refused("opset");
  if (graph.nodes.length > limits.maxNodes) throw refused("nodes");
  const allowed = new Set(limits.operators);
  const joined = new Map();
  for (const { operator, domain: of, inputs, outputs, attributes } of graph.nodes) {
    if (!allowed.has(operator) || !["", "ai.onnx"].includes(of)) throw new Refusal("bundle.operator", { name: `${of}.${operator}`.replace(/^\./, "").slice(0, 60) });
    for (const { name, type, integer, tensor, subgraph } of attributes) {
      const lies = name === "num_outputs" && integer !== outputs.length;
      if (subgraph || lies || !PLAIN.includes(type)) throw refused(operator);
      if (tensor) checkTensor(tensor);
    }
    const times = inputs.map((name) => joined.get(name) ?? 1);
    const most = operator === "Concat" ? times.reduce((a, b) => a + b, 0) : Math.max(1, ...times);
    if (most > MAX_JOINED) throw refused(operator);
    for (const name of outputs) joined.set(name, most);
  }
  graph.weights.forEach(checkTensor);
  const initial = new Set(graph.weights.map((tensor) => tensor.name));
  const states = bundle.states.map(({ name, dtype, shape }) => ({ name, type: TYPES[dtype], shape: ["batch", ...shape] }));
  const logits = { name: "logits", type: TYPES.float32, shape: ["batch", bundle.vocabulary.size] };
  const next = states.map((state) => ({ ...state, name: `next_${state.name}` }));
  const given = graph.inputs.filter(({ name }) => !initial.has(name));
  same("inputs", given, [{ name: "token", type: TYPES.int64, shape: ["batch"] }, ...states]);
  same("outputs", graph.outputs, [logits, ...next]);
}

/** Its numbers must be in the file, all of them, of a type a step needs, and numbers. @param {Tensor} tensor */
function checkTensor({ name, dims, type, raw, numbers, outside }) {
  const size = BYTES[type];
  const count = dims.reduce((a, b) => a * b, 1);
  const isWhole = raw ? raw.length === count * size : numbers.length === count;
  if (outside || !size || dims.some((n) => n < 0) || !isWhole) throw refused(`tensor ${name.slice(0, 60)}`);
  const infinite = raw && (type === 1 || type === 10)
    ? ones(raw, size, type === 1 ? 0x7f800000 : 0x7c00)
    : !numbers.every(Number.isFinite);
  if (infinite) throw refused(`nan: tensor ${name.slice(0, 60)}`);
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

/** @param {string} what @param {import("./onnx.js").Value[]} found @param {import("./onnx.js").Value[]} expected */
function same(what, found, expected) {
  const shown = (/** @type {import("./onnx.js").Value[]} */ values) => JSON.stringify(values.map(({ name, type, shape }) => [name, type, shape]));
  if (shown(found) !== shown(expected)) throw refused(what);
}

/** @param {string} what */
function refused(what) {
  return new Refusal("bundle.graph", { what });
}
