// A graph as the file has it: the fields of ONNX's protobuf messages that the check looks at.
import { PbfReader } from "../lib/protobuf.js";

/**
 * @typedef {{name: string, dims: number[], type: number, raw: Uint8Array | null, numbers: number[], outside: boolean}} Tensor
 * @typedef {{name: string, type: number, integer: number, tensor: Tensor | null, subgraph: boolean}} Attribute
 * @typedef {{operator: string, domain: string, inputs: string[], outputs: string[], attributes: Attribute[]}} Node
 * @typedef {{name: string, type: number, shape: (number | string)[]}} Value
 * @typedef {{nodes: Node[], weights: Tensor[], inputs: Value[], outputs: Value[], sparse: boolean}} Graph
 * @typedef {{opsets: {domain: string, version: number}[], graph: Graph | null, more: boolean}} Model
 */

/** @param {Uint8Array} bytes @returns {Model} */
export function readModel(bytes) {
  return new PbfReader(bytes).readFields((tag, model, pbf) => {
    if (tag === 7) model.graph = pbf.readMessage(graphField, { nodes: [], weights: [], inputs: [], outputs: [], sparse: false });
    else if (tag === 8) model.opsets.push(pbf.readMessage(opsetField, { domain: "", version: 0 }));
    else if (tag === 20 || tag === 25) model.more = true; // training, functions
  }, /** @type {Model} */ ({ opsets: [], graph: null, more: false }));
}

/** @type {(tag: number, opset: {domain: string, version: number}, pbf: PbfReader) => void} */
function opsetField(tag, opset, pbf) {
  if (tag === 1) opset.domain = pbf.readString();
  else if (tag === 2) opset.version = pbf.readVarint(true);
}

/** @type {(tag: number, graph: Graph, pbf: PbfReader) => void} */
function graphField(tag, graph, pbf) {
  if (tag === 1) graph.nodes.push(pbf.readMessage(nodeField, { operator: "", domain: "", inputs: [], outputs: [], attributes: [] }));
  else if (tag === 5) graph.weights.push(pbf.readMessage(tensorField, blank()));
  else if (tag === 11) graph.inputs.push(pbf.readMessage(valueField, unnamed()));
  else if (tag === 12) graph.outputs.push(pbf.readMessage(valueField, unnamed()));
  else if (tag === 15) graph.sparse = true;
}

/** @type {(tag: number, node: Node, pbf: PbfReader) => void} */
function nodeField(tag, node, pbf) {
  if (tag === 1) node.inputs.push(pbf.readString());
  else if (tag === 2) node.outputs.push(pbf.readString());
  else if (tag === 4) node.operator = pbf.readString();
  else if (tag === 5) node.attributes.push(pbf.readMessage(attributeField, { name: "", type: 0, integer: 0, tensor: null, subgraph: false }));
  else if (tag === 7) node.domain = pbf.readString();
}

/** @type {(tag: number, attribute: Attribute, pbf: PbfReader) => void} */
function attributeField(tag, attribute, pbf) {
  if (tag === 1) attribute.name = pbf.readString();
  else if (tag === 3) attribute.integer = pbf.readVarint(true);
  else if (tag === 5) attribute.tensor = pbf.readMessage(tensorField, blank());
  else if (tag === 6 || tag === 11) attribute.subgraph = true;
  else if (tag === 20) attribute.type = pbf.readVarint();
}

/** @returns {Value} */
const unnamed = () => ({ name: "", type: 0, shape: [] });

/** @returns {Tensor} */
const blank = () => ({ name: "", dims: [], type: 0, raw: null, numbers: [], outside: false });

/** @type {(tag: number, tensor: Tensor, pbf: PbfReader) => void} */
function tensorField(tag, tensor, pbf) {
  if (tag === 1) pbf.readPackedVarint(tensor.dims, true);
  else if (tag === 2) tensor.type = pbf.readVarint();
  else if (tag === 4) pbf.readPackedFloat(tensor.numbers);
  else if (tag === 5 || tag === 7) pbf.readPackedVarint(tensor.numbers, true);
  else if (tag === 8) tensor.name = pbf.readString();
  else if (tag === 9) tensor.raw = pbf.readBytes();
  else if (tag === 10) pbf.readPackedDouble(tensor.numbers);
  else if (tag === 13 || (tag === 14 && pbf.readVarint())) tensor.outside = true;
}

/** @type {(tag: number, value: Value, pbf: PbfReader) => void} */
function valueField(tag, value, pbf) {
  if (tag === 1) value.name = pbf.readString();
  else if (tag === 2) pbf.readMessage((kind, _, type) => kind === 1 && void type.readMessage(tensorTypeField, value), value);
}

/** @type {(tag: number, value: Value, pbf: PbfReader) => void} */
function tensorTypeField(tag, value, pbf) {
  if (tag === 1) value.type = pbf.readVarint();
  else if (tag === 2) pbf.readMessage((kind, shape, of) => kind === 1 && void shape.push(of.readMessage(axisField, { size: /** @type {number | string} */ (0) }).size), value.shape);
}

/** @type {(tag: number, axis: {size: number | string}, pbf: PbfReader) => void} */
function axisField(tag, axis, pbf) {
  if (tag === 1) axis.size = pbf.readVarint(true);
  else if (tag === 2) axis.size = pbf.readString() && "batch"; // any name of an axis that may grow
}
