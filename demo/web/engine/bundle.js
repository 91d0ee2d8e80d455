// What bundle.json says, held to what charmodels/runtime/bundle.py holds it to.
import { Membership } from "./membership.js";
import { refuse } from "./refusal.js";
import { Vocabulary } from "./vocabulary.js";

/**
 * @typedef {import("./step.js").StateSpec} StateSpec
 * @typedef {{sha256: string, bytes: number}} GraphFile
 * @typedef {{tokens: number[], logits: number[]}} Golden
 *
 * @typedef {object} Bundle
 * @property {"names" | "text"} kind
 * @property {Vocabulary} vocabulary
 * @property {StateSpec[]} states
 * @property {import("./sampling.js").Sampling} sampling
 * @property {number} maxChars
 * @property {Record<string, unknown>} provenance
 * @property {Record<string, GraphFile>} files
 * @property {Golden | null} golden
 * @property {GraphFile | null} weights
 * @property {Membership | null} membership
 */

export const STEP = "step.onnx";
export const WEIGHTS = "weights.safetensors";
export const GRAPH_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.onnx$/;
export const MAX_JSON_BYTES = 4 * 2 ** 20;
export const MAX_GRAPH_BYTES = 512 * 2 ** 20;

const FORMAT = 1;
const MAX_CHARS = 100_000;
const MAX_GOLDEN = 256;
const MIX = "mix_0";

/** Settings of `sampling`, their defaults and limits. */
const SAMPLING = /** @type {const} */ ({
  temperature: [1, 0, 10],
  top_k: [0, 0, 1_000_000],
  top_p: [1, 0, 1],
  min_p: [0, 0, 1],
  balance: [0, -1, 1],
});

/** A bundle from the bytes of its bundle.json. @param {Uint8Array} data @returns {Bundle} */
export function parseBundle(data) {
  if (data.length > MAX_JSON_BYTES) refuse("bundle.large", { file: "bundle.json" });
  let facts;
  try {
    facts = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    refuse("bundle.json");
  }
  const found = isObject(facts) ? facts.format : undefined;
  if (found === undefined) refuse("bundle.json");
  if (found !== FORMAT) refuse("bundle.format", { found: shown(found), format: FORMAT });
  return fromFacts(facts);
}

/** @param {Record<string, any>} facts @returns {Bundle} */
function fromFacts(facts) {
  const { kind, golden, weights } = facts;
  must(kind === "names" || kind === "text", "kind");
  const sampling = object(facts.sampling, "sampling");
  const files = object(facts.files, "files");
  must(files[STEP] !== undefined, `files: ${STEP}`);
  return {
    kind,
    vocabulary: vocabularyOf(facts.vocabulary),
    states: statesOf(facts.states),
    sampling: samplingOf(sampling),
    maxChars: whole(sampling.max_chars, "max_chars", 1, MAX_CHARS),
    provenance: object(facts.provenance, "provenance"),
    files: Object.fromEntries(Object.entries(files).map(([name, file]) => [name, fileOf(name, file)])),
    golden: golden === undefined || golden === null ? null : goldenOf(golden),
    weights: weights === undefined ? null : fileOf(WEIGHTS, weights),
    membership: facts.membership === undefined ? null : new Membership(object(facts.membership, "membership")),
  };
}

/** @param {unknown} symbols */
function vocabularyOf(symbols) {
  must(Array.isArray(symbols) && symbols.every((each) => typeof each === "string"), "vocabulary");
  return new Vocabulary(/** @type {string[]} */ (symbols));
}

/** @param {unknown} listed @returns {StateSpec[]} */
function statesOf(listed) {
  must(Array.isArray(listed), "states");
  const states = /** @type {unknown[]} */ (listed).map((each) => {
    const { name, shape, dtype, initial = 0 } = object(each, "states");
    const isNamed = typeof name === "string" && /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name);
    must(isNamed && (dtype === "float32" || dtype === "int64") && initial === 0 && Array.isArray(shape), "states");
    const sizes = shape.map((/** @type {unknown} */ size) => whole(size, "states", 1, 2 ** 20));
    const width = sizes.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    must(sizes.length && width <= 2 ** 20 && (name !== MIX || (dtype === "float32" && `${sizes}` === "3")), "states");
    return { name, shape: sizes, dtype };
  });
  const names = states.map((state) => state.name);
  const taken = new Set(["token", "logits", ...names.flatMap((name) => [name, `next_${name}`])]);
  must(taken.size === 2 + 2 * names.length, "states");
  return states;
}

/** @param {Record<string, unknown>} given @returns {import("./sampling.js").Sampling} */
function samplingOf(given) {
  const settings = Object.entries(SAMPLING).map(([name, [usual, low, high]]) => {
    const value = given[name] ?? usual;
    must(typeof value === "number" && value >= low && value <= high, name);
    return [name, value];
  });
  const sampling = Object.fromEntries(settings);
  must(Number.isInteger(sampling.top_k), "top_k");
  return sampling;
}

/** @param {string} name @param {unknown} file @returns {GraphFile} */
function fileOf(name, file) {
  const { sha256, bytes } = object(file, name);
  must((GRAPH_NAME.test(name) || name === WEIGHTS) && typeof sha256 === "string", `files: ${name}`);
  return { sha256, bytes: whole(bytes, name, 1, MAX_GRAPH_BYTES) };
}

/** @param {unknown} given @returns {Golden} */
function goldenOf(given) {
  const { tokens, logits } = object(given, "golden");
  must(Array.isArray(tokens) && tokens.length <= MAX_GOLDEN && Array.isArray(logits) && logits.every(Number.isFinite), "golden");
  return { tokens: tokens.map((/** @type {unknown} */ id) => whole(id, "golden", 0, 2 ** 31)), logits };
}

/** @param {any} value @param {string} key @param {number} low @param {number} high @returns {number} */
function whole(value, key, low, high) {
  must(Number.isInteger(value) && value >= low && value <= high, `${key} = ${shown(value)}`);
  return value;
}

/** @param {unknown} value @param {string} key @returns {Record<string, any>} */
function object(value, key) {
  must(isObject(value), key);
  return /** @type {Record<string, any>} */ (value);
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {unknown} holds @param {string} what @returns {asserts holds} */
function must(holds, what) {
  if (!holds) refuse("bundle.fact", { what: what.slice(0, 200) });
}

/** @param {unknown} value */
function shown(value) {
  return (JSON.stringify(value) ?? "?").slice(0, 60);
}
