// What the page asks of the models, in the worker or, where workers are refused, beside the page.
import { parseBundle, STEP } from "./bundle.js";
import { choose, NOTHING } from "./constraints.js";
import { check, read } from "./files.js";
import { inspect } from "./inside.js";
import { Model } from "./model.js";
import { refuse } from "./refusal.js";
import { sum } from "./sampling.js";
import { Step, useBinary } from "./step.js";

/**
 * @typedef {import("./generation.js").Memory} Memory
 * @typedef {import("./model.js").Settings} Settings
 *
 * A question to the engine as a message, and its answers as messages.
 * @typedef {{id: number, method: "open" | "openOwn" | "write" | "names" | "predict" | "inspect" | "example" | "cancel", asked: any}} Question
 * @typedef {{id: number, told?: any, made?: any, refused?: {key: string, values: Record<string, string | number>}}} Answer
 *
 * What the page shows of a model before anything is written.
 * @typedef {object} Facts
 * @property {string} name
 * @property {"names" | "text"} kind
 * @property {boolean} hasNgram
 * @property {number} temperature
 * @property {number} maxChars
 * @property {number} bytes of the graph
 * @property {string[]} symbols
 * @property {{known: number, near: number} | null} error of the filter of the training list
 * @property {import("./step.js").StateSpec[]} states
 * @property {string} [title] if the bundle has one
 *
 * @typedef {{text: string, nats: number[]}} Piece
 *
 * A name, where it stands beside the training list, and what it cost the model.
 * @typedef {{name: string, standing: import("./membership.js").Standing | null, nats: number | null}} Named
 */

const GATHER_MS = 40;
const OPEN = 3; // models kept open
const MAX_SAID = 2000; // characters of a chat that are read again when no kept memory fits

/** Opens models and writes with them. */
export class Engine {
  constructor() {
    /** @type {Map<string, Promise<Model>>} */
    this.models = new Map();
    /** @type {Map<string, Model>} */
    this.own = new Map();
    /** @type {Set<number>} */
    this.cancelled = new Set();
    /** @type {{name: string, said: string, memory: Memory}[]} */
    this.kept = [];
    /** @type {Promise<void> | null} */
    this.ready = null;
    /** @type {string[]} names of the models that are asked something now */
    this.asked = [];
  }

  /** Fetch onnxruntime, once. */
  start() {
    this.ready ??= read("lib/ort.wasm.gz").then(useBinary);
    this.ready.catch(() => (this.ready = null)); // it may come another time
    return this.ready;
  }

  /** Open a model of the page. @param {{name: string}} asked @returns {Promise<Facts>} */
  async open({ name }) {
    return factsOf(name, await this.model(name));
  }

  /** Open a bundle of the visitor's own, a zip archive. @param {{name: string, archive: Uint8Array}} asked @returns {Promise<Facts>} */
  async openOwn({ name, archive }) {
    await this.start();
    const { openOwn } = await import("./own.js");
    const model = await openOwn(archive);
    this.own.set(name, model);
    return factsOf(name, model);
  }

  /**
   * Write on after `message`, and after what this model `said` before in the chat; `tell` hears
   * every 40 ms what has been added.
   * @param {{name: string, said: string, message: string, settings: Settings}} asked
   * @param {(piece: Piece) => void} tell @param {number} id
   */
  async write({ name, said, message, settings }, tell, id) {
    const model = await this.model(name);
    const ids = model.encode(message);
    const writing = model.writing(settings);
    const memory = await this.recall(name, model, said);
    const stream = model.stream(ids, writing, memory);
    let [whole, piece, paid, told] = ["", "", /** @type {number[]} */ ([]), -Infinity];
    const flush = () => {
      if (piece) tell({ text: piece, nats: paid });
      [whole, piece, paid] = [whole + piece, "", []];
    };
    for (let made = await stream.next(); made; made = await stream.next()) {
      piece += model.vocabulary.symbols[made.id];
      paid.push(made.nats);
      if (performance.now() - told < GATHER_MS) continue; // the first goes out at once
      flush();
      await breath();
      if (this.cancelled.has(id)) break;
      told = performance.now();
    }
    flush();
    this.keep(name, said, memory);
    this.keep(name, said + message.normalize("NFC") + whole, await stream.memory());
    return { text: whole, seed: writing.seed, temperature: writing.sampling.temperature, stopped: this.cancelled.delete(id) };
  }

  /**
   * Names that are as they were asked to be, row `first` of the seed and on; `tell` hears the bare
   * names first. Fewer come where no more are found.
   * @param {{name: string, constraint: Partial<import("./constraints.js").Constraint>, settings: Settings, first: number}} asked
   * @param {(names: Named[]) => void} tell @param {number} id
   */
  async names({ name, constraint, settings, first }, tell, id) {
    const model = await this.model(name);
    const wish = { ...NOTHING, ...constraint };
    for (const text of [wish.starts, wish.ends, wish.contains]) model.encode(text);
    const writing = model.writing(settings);
    let names = /** @type {Named[]} */ ([]);
    for await (const found of choose(model, wish, writing, first)) {
      names = [...names, ...found.map((each) => ({ name: each, standing: null, nats: null }))];
      tell(names);
      await breath();
      if (this.cancelled.has(id)) break;
    }
    const { membership, vocabulary } = model.bundle;
    for (const each of wish.judged ? names : []) {
      each.standing = membership?.standing(each.name, vocabulary.symbols.slice(1)) ?? null;
      each.nats = sum(await model.score(model.encode(each.name)));
    }
    return { names, seed: writing.seed, temperature: writing.sampling.temperature, stopped: this.cancelled.delete(id) };
  }

  /**
   * Probabilities of every character after a text (vocab,).
   * @param {{name: string, said?: string, text: string}} asked
   */
  async predict({ name, said = "", text }) {
    const model = await this.model(name);
    const ids = model.encode(text, MAX_SAID);
    return [...(await model.predict(ids, said ? await this.recall(name, model, said) : undefined))];
  }

  /** @param {{name: string, text: string, unit: import("./inside.js").Unit | null}} asked */
  async inspect({ name, text, unit }) {
    return inspect(await this.model(name), text, unit);
  }

  /** Something to look at, that the model writes itself. @param {{name: string, text: string}} asked */
  async example({ name, text }) {
    const quiet = () => {};
    if ((await this.model(name)).endless) return (await this.write({ name, said: "", message: text, settings: { maxChars: 240 } }, quiet, 0)).text;
    const { names } = await this.names({ name, constraint: {}, settings: { count: 8 }, first: 0 }, quiet, 0);
    return names.map((each) => each.name).join("\n");
  }

  /** @param {number} id */
  cancel(id) {
    this.cancelled.add(id);
  }

  /** @param {string} name */
  model(name) {
    const own = this.own.get(name);
    if (own) return Promise.resolve(own);
    const known = this.models.get(name);
    const opening = known ?? this.fetch(name);
    this.models.delete(name);
    this.models.set(name, opening); // the last used is the last to be closed
    opening.catch(() => this.models.delete(name));
    for (const [other, old] of this.models) {
      if (this.models.size <= OPEN) break;
      if (this.asked.includes(other)) continue;
      this.models.delete(other);
      void old.then((model) => model.step.close());
    }
    return opening;
  }

  /** @param {string} name */
  async fetch(name) {
    if (!/^[\w-]+$/.test(name)) refuse("web.file", { file: name });
    const [facts, graph] = await Promise.all([
      read(`models/${name}/bundle.json`),
      read(`models/${name}/${STEP}.gz`),
      this.start(),
    ]);
    const bundle = parseBundle(facts);
    await check(STEP, graph, bundle.files[STEP]);
    return new Model(await Step.open(graph, bundle.states, bundle.vocabulary.size), bundle);
  }

  /**
   * The memory after `said`: a kept one, or read again.
   * @param {string} name @param {Model} model @param {string} said
   */
  async recall(name, model, said) {
    if (!said) return undefined;
    const fitting = this.kept.filter((each) => each.name === name && said.startsWith(each.said));
    const best = fitting.sort((a, b) => b.said.length - a.said.length)[0];
    const unread = [...said.slice(best?.said.length ?? 0)].slice(-MAX_SAID).join("");
    return model.remember(model.encode(unread, MAX_SAID), best?.memory);
  }

  /** @param {string} name @param {string} said @param {Memory | undefined} memory */
  keep(name, said, memory) {
    const others = this.kept.filter((each) => each.name !== name || each.said !== said);
    if (memory) this.kept = [...others, { name, said, memory }].slice(-4);
  }
}

/** Let others have the thread: messages to be heard, a page to be drawn. */
function breath() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel(); // timers wait 4 ms and more
    port1.onmessage = () => resolve(port1.close());
    port2.postMessage(0);
  });
}

/** @param {string} name @param {Model} model @returns {Facts} */
function factsOf(name, { bundle, hasNgram }) {
  const { kind, sampling, maxChars, states, vocabulary, provenance, files, membership } = bundle;
  const { title } = provenance;
  return {
    ...{ name, kind, hasNgram, maxChars, states, symbols: vocabulary.symbols },
    temperature: sampling.temperature,
    bytes: files[STEP].bytes,
    title: typeof title === "string" ? title.slice(0, 100) : undefined,
    error: membership && { known: membership.error, near: membership.nearError },
  };
}

/**
 * @param {Engine} engine
 * @param {Question} question
 * @param {(answer: Answer) => void} say
 */
export async function answer(engine, { id, method, asked }, say) {
  engine.asked.push(asked.name);
  try {
    const made = await engine[method](asked, (/** @type {unknown} */ told) => say({ id, told }), id);
    say({ id, made });
  } catch (error) {
    const { key = "web.failed", values = { reason: String(error).slice(0, 200) } } = /** @type {any} */ (error);
    say({ id, refused: { key, values } });
  } finally {
    engine.asked.splice(engine.asked.indexOf(asked.name), 1);
  }
}
