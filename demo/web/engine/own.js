// A bundle of the visitor's own: a zip archive that never leaves the browser, opened after the same
// checks as charmodels.runtime.load_bundle makes.
import { parseBundle, STEP, WEIGHTS } from "./bundle.js";
import { check, readJson } from "./files.js";
import { beginning, walk } from "./generation.js";
import { Model } from "./model.js";
import { Refusal, refuse } from "./refusal.js";
import { Step } from "./step.js";
import { verifyGraph } from "./verify.js";
import { unpackBundle } from "./zip.js";

const TOLERANCE = 1e-4; // of the scaled difference to the golden logits

/** @param {Uint8Array} archive @returns {Promise<Model>} */
export async function openOwn(archive) {
  return openChecked(await readJson("limits.json"), archive);
}

/** @param {any} limits @param {Uint8Array} archive @returns {Promise<Model>} */
export async function openChecked(limits, archive) {
  const files = await unpackBundle(archive, limits);
  const bundle = parseBundle(files.get("bundle.json") ?? new Uint8Array());
  const promised = Object.entries({ ...bundle.files, ...(bundle.weights ? { [WEIGHTS]: bundle.weights } : {}) });
  for (const [name, file] of promised) {
    const bytes = files.get(name);
    if (!bytes) refuse("bundle.missing", { file: name });
    await check(name, bytes, file);
  }
  const graph = /** @type {Uint8Array} */ (files.get(STEP));
  verifyGraph(graph, bundle, limits);
  let step;
  try {
    step = await Step.open(graph, bundle.states, bundle.vocabulary.size);
    if (bundle.golden) await checkGolden(step, bundle.golden);
  } catch (error) {
    await step?.close();
    throw error instanceof Refusal ? error : new Refusal("bundle.graph", { what: String(error).slice(0, 100) });
  }
  return new Model(step, bundle);
}

/** @param {Step} step @param {import("./bundle.js").Golden} golden */
async function checkGolden(step, { tokens, logits }) {
  const [first = step.vocab, ...rest] = tokens;
  if (logits.length !== step.vocab || Math.max(first, ...rest) >= step.vocab) refuse("bundle.golden");
  const { logits: last } = await walk(step, rest, { ...beginning(step), token: first });
  const worst = Math.max(...logits.map((expected, id) => Math.abs(last[id] - expected) / Math.max(1, Math.abs(expected))));
  if (!(worst <= TOLERANCE)) refuse("bundle.golden");
}
