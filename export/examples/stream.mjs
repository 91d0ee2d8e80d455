// Write with a bundle by onnxruntime-web alone, in a browser or by: node stream.mjs BUNDLE [BEGINNING]
import * as ort from "onnxruntime-web";

const read = async (folder, name) => { // from a folder under Node, from an address in a browser
  if (globalThis.process) return (await import("node:fs/promises")).readFile(`${folder}/${name}`);
  return new Uint8Array(await (await fetch(`${folder}/${name}`)).arrayBuffer());
};

export const openBundle = async (folder) => { // nothing is checked: open what you trust
  const facts = JSON.parse(new TextDecoder().decode(await read(folder, "bundle.json")));
  const session = await ort.InferenceSession.create(await read(folder, "step.onnx"));
  const zero = Object.fromEntries(facts.states.map(({ name, shape, dtype }) => {
    const Numbers = dtype === "int64" ? BigInt64Array : Float32Array;
    return [name, new ort.Tensor(new Numbers(shape.reduce((a, b) => a * b, 1)), [1, ...shape])];
  }));
  const step = async (id, state) => { // logits of the next id, and the memory for the next step
    const token = new ort.Tensor("int64", BigInt64Array.of(BigInt(id)), [1]);
    const after = await session.run({ token, ...state });
    return [after.logits.data, Object.fromEntries(Object.keys(state).map((name) => [name, after[`next_${name}`]]))];
  };
  const stream = async function* (beginning, temperature, maxChars) { // 0 takes the likeliest
    let [logits, state] = [null, zero];
    let unread = [0, ...[...beginning].map((c) => facts.vocabulary.indexOf(c))]; // 0 starts a text
    if (unread.includes(-1)) throw new RangeError(`${beginning}: the model knows ${facts.vocabulary.join("")}`);
    for (let written = 0; written < maxChars; written++) {
      for (const id of unread) [logits, state] = await step(id, state);
      if (facts.kind === "text" || (beginning === "" && written === 0)) logits[0] = -Infinity; // only names end
      const scores = logits.map((score) => score - temperature * Math.log(-Math.log(Math.random())));
      unread = [scores.reduce((best, score, id) => (score > scores[best] ? id : best), 0)];
      if (unread[0] === 0) return;
      yield facts.vocabulary[unread[0]];
    }
  };
  return { facts, zero, step, stream };
};

const [, script, folder, beginning] = globalThis.process?.argv ?? [];
if (script?.endsWith("stream.mjs"))
  for await (const c of (await openBundle(folder)).stream(beginning ?? "", 0.8, 200)) process.stdout.write(c);
