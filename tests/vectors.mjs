// Drives a staged page's own modules under Node for the tests: a request as JSON on stdin, the
// answers on stdout. import: node vectors.mjs FOLDER
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const load = (name) => import(pathToFileURL(`${folder}/${name}`).href);
const [{ pick, rowKey, uniform }, { parseBundle }, { Model }, { Step, useBinary }, { walk, beginning }, { choose, NOTHING }, { openChecked }] = await Promise.all(
  ["sampling", "bundle", "model", "step", "generation", "constraints", "own"].map((name) => load(`engine/${name}.js`)),
);
const unpacked = (name) => new Uint8Array(gunzipSync(readFileSync(`${folder}/${name}`)));

const open = async (name) => {
  const bundle = parseBundle(new Uint8Array(readFileSync(`${folder}/models/${name}/bundle.json`)));
  const graph = unpacked(`models/${name}/step.onnx.gz`);
  return new Model(await Step.open(graph, bundle.states, bundle.vocabulary.size), bundle);
};

const speak = async (model, { prefix, settings }) => {
  const ids = model.encode(prefix);
  const writing = model.writing(settings);
  if (!model.endless) {
    let names = [];
    const wish = { ...NOTHING, starts: prefix };
    const longer = { ...writing, maxChars: writing.maxChars + ids.length };
    for await (const found of choose(model, wish, longer, 0)) names = [...names, ...found];
    return names;
  }
  const stream = model.stream(ids, writing);
  let text = prefix;
  for (let made = await stream.next(); made; made = await stream.next()) text += model.vocabulary.symbols[made.id];
  return [text];
};

const asks = {
  uniforms: ({ seed, rows, count }) =>
    rows.map((row) => Array.from({ length: count }, (_, position) => uniform(rowKey(seed, row), position))),
  picks: ({ logits, drawn, sampling, mayEnd }) => drawn.map((one, i) => pick(logits[i], one, sampling, mayEnd)),
  async bundle({ name, tokens, writings, score }) {
    const model = await open(name);
    const logits = [];
    const memory = { ...beginning(model.step), token: tokens[0] };
    await walk(model.step, tokens.slice(1), memory, (_, each) => logits.push([...each]));
    const texts = [];
    for (const writing of writings) texts.push(await speak(model, writing));
    const paid = await model.score(model.encode(score));
    const likely = [...(await model.predict(model.encode(score)))];
    const remembered = await model.remember(model.encode(score));
    const after = [...(await model.predict([], remembered))];
    await model.step.close();
    return { logits, texts, paid, likely, after };
  },
  async speed({ folder: bundled, steps, repeats }) {
    const bundle = parseBundle(new Uint8Array(readFileSync(`${bundled}/bundle.json`)));
    const graph = new Uint8Array(readFileSync(`${bundled}/step.onnx`));
    const step = await Step.open(graph, bundle.states, bundle.vocabulary.size);
    const model = new Model(step, bundle);
    const speeds = [];
    for (let repeat = 0; repeat <= repeats; repeat++) {
      const start = performance.now();
      const stream = model.stream([], { ...model.writing({ seed: repeat }), maxChars: steps });
      while (await stream.next());
      speeds.push((steps / (performance.now() - start)) * 1000);
    }
    return speeds.slice(1); // the first one warms up
  },
  async own({ path }) {
    const limits = JSON.parse(readFileSync(`${folder}/limits.json`, "utf8"));
    const start = performance.now();
    try {
      const model = await openChecked(limits, new Uint8Array(readFileSync(path)));
      let text = "";
      const stream = model.stream([], model.writing({ temperature: 0, maxChars: 20 }));
      for (let made = await stream.next(); made; made = await stream.next()) text += model.vocabulary.symbols[made.id];
      await model.step.close();
      return { opened: text };
    } catch (error) {
      if (!error.key) throw error;
      return { refused: error.key, values: error.values, seconds: (performance.now() - start) / 1000 };
    }
  },
  async wishes({ name, wishes }) {
    const model = await open(name);
    const answers = [];
    for (const { constraint, settings, first } of wishes) {
      let names = [];
      try {
        for await (const found of choose(model, constraint, model.writing(settings), first)) names = [...names, ...found];
        const characters = model.vocabulary.symbols.slice(1);
        answers.push({ names, standings: names.map((each) => model.bundle.membership?.standing(each, characters) ?? null) });
      } catch (error) {
        if (!error.key) throw error;
        answers.push({ refused: error.key });
      }
    }
    await model.step.close();
    return answers;
  },
};

useBinary(unpacked("lib/ort.wasm.gz"));
const answers = [];
for (const { ask, ...asked } of JSON.parse(readFileSync(0, "utf8"))) answers.push(await asks[ask](asked));
console.log(JSON.stringify(answers));
