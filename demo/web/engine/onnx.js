// A graph as the file has it: the fields of ONNX's protobuf messages that the check looks at. What
// another reader could take for something else is refused: a field of another wire type, which
// protobuf skips, and a second message of a field that has one, which protobuf merges.
import { PbfReader } from "../lib/protobuf.js";

/**
 * @typedef {{name: string, dims: number[], type: number, raw: Uint8Array | null, numbers: number[], location: number, outside?: true}} Tensor
 * @typedef {{name: string, type: number, integer: number, tensor?: Tensor, subgraph?: true}} Attribute
 * @typedef {{operator: string, domain: string, inputs: string[], outputs: string[], attributes: Attribute[]}} Node
 * @typedef {{name: string, type?: {tensor?: {type: number, shape?: {axes: {size: number | string}[]}}, other?: true}}} Value
 * @typedef {{nodes: Node[], weights: Tensor[], inputs: Value[], outputs: Value[], sparse?: true}} Graph
 * @typedef {{opsets: {domain: string, version: number}[], graph?: Graph, more?: true}} Model
 *
 * How a field is read after what stands there already, and the wire types it may have.
 * @typedef {[number[], (pbf: PbfReader, before: any) => any]} Kind
 */

/** @type {Kind} */
const WHOLE = [[0], (pbf) => pbf.readVarint(true)];
/** @type {Kind} */
const TEXT = [[2], (pbf) => pbf.readString()];
/** @type {Kind} */
const TEXTS = [[2], (pbf, before) => (before.push(pbf.readString()), before)];
/** @type {Kind} */
const WHOLES = [[0, 2], (pbf, before) => pbf.readPackedVarint(before, true)];
/** @type {Kind} */
const THERE = [[0, 1, 2, 5], () => true];

/** @returns {never} */
function wrong() {
  throw new Error("protobuf");
}

/**
 * A message, as a field has it: what it is before anything is read, and its fields by their number.
 * @param {object} blank @param {Record<number, [string, Kind]>} fields
 */
function message(blank, fields) {
  const read = (/** @type {PbfReader} */ pbf, /** @type {number} */ end) => {
    const made = pbf.readFields((tag, /** @type {Record<string, any>} */ so) => {
      if (!fields[tag]) return;
      const [name, [wires, value]] = fields[tag];
      if (!wires.includes(pbf.type)) wrong();
      so[name] = value(pbf, so[name]);
    }, structuredClone(blank), end);
    if (pbf.pos !== end) wrong();
    return made;
  };
  const next = (/** @type {PbfReader} */ pbf) => read(pbf, pbf.readVarint() + pbf.pos);
  /** @type {Kind} */
  const one = [[2], (pbf, before) => {
    if (before) wrong();
    return next(pbf);
  }];
  /** @type {Kind} */
  const many = [[2], (pbf, before) => (before.push(next(pbf)), before)];
  return { read, one, many };
}

const AXIS = message({ size: 0 }, { 1: ["size", WHOLE], 2: ["size", [[2], (pbf) => pbf.readString() && "batch"]] }); // any name of an axis that may grow
const SHAPE = message({ axes: [] }, { 1: ["axes", AXIS.many] });
const TENSOR_TYPE = message({ type: 0 }, { 1: ["type", WHOLE], 2: ["shape", SHAPE.one] });
const TYPE = message({}, { 1: ["tensor", TENSOR_TYPE.one], 4: ["other", THERE], 5: ["other", THERE], 8: ["other", THERE], 9: ["other", THERE] });
const VALUE = message({ name: "" }, { 1: ["name", TEXT], 2: ["type", TYPE.one] });
const TENSOR = message({ name: "", dims: [], type: 0, raw: null, numbers: [], location: 0 }, {
  1: ["dims", WHOLES],
  2: ["type", WHOLE],
  4: ["numbers", [[2, 5], (pbf, before) => pbf.readPackedFloat(before)]],
  5: ["numbers", WHOLES],
  7: ["numbers", WHOLES],
  8: ["name", TEXT],
  9: ["raw", [[2], (pbf) => pbf.readBytes()]],
  10: ["numbers", [[1, 2], (pbf, before) => pbf.readPackedDouble(before)]],
  13: ["outside", THERE],
  14: ["location", WHOLE],
});
const ATTRIBUTE = message({ name: "", type: 0, integer: 0 }, {
  1: ["name", TEXT],
  3: ["integer", WHOLE],
  5: ["tensor", TENSOR.one],
  6: ["subgraph", THERE],
  11: ["subgraph", THERE],
  20: ["type", WHOLE],
});
const NODE = message({ operator: "", domain: "", inputs: [], outputs: [], attributes: [] }, {
  1: ["inputs", TEXTS],
  2: ["outputs", TEXTS],
  4: ["operator", TEXT],
  5: ["attributes", ATTRIBUTE.many],
  7: ["domain", TEXT],
});
const GRAPH = message({ nodes: [], weights: [], inputs: [], outputs: [] }, {
  1: ["nodes", NODE.many],
  5: ["weights", TENSOR.many],
  11: ["inputs", VALUE.many],
  12: ["outputs", VALUE.many],
  15: ["sparse", THERE],
});
const OPSET = message({ domain: "", version: 0 }, { 1: ["domain", TEXT], 2: ["version", WHOLE] });
const MODEL = message({ opsets: [] }, {
  7: ["graph", GRAPH.one],
  8: ["opsets", OPSET.many],
  20: ["more", THERE], // training
  25: ["more", THERE], // functions
});

/** @param {Uint8Array} bytes @returns {Model} */
export function readModel(bytes) {
  return /** @type {any} */ (MODEL.read(new PbfReader(bytes), bytes.length));
}
