// The page's side of the engines: one for its own models, in a worker or, where the browser refuses
// workers as it does in a sandboxed frame, beside the page; and one in a worker of its own for each
// bundle of the visitor's, which is ended when it keeps silent or breaks.
import { Refusal, refuse } from "./engine/refusal.js";

/**
 * @typedef {import("./engine/engine.js").Answer} Answer
 * @typedef {import("./engine/engine.js").Question} Question
 */

const PATIENCE_MS = 30_000;
let last = 0;

/** An engine, and who waits for what it says. */
class Line {
  /** @param {string} apart the name of a bundle of the visitor's own, or "" */
  constructor(apart) {
    this.apart = apart;
    this.timer = 0;
    /** @type {Refusal | null} */
    this.gone = null;
    /** @type {Worker | null} */
    this.worker = null;
    /** @type {Map<number, {tell: (told: any) => void, resolve: (made: any) => void, reject: (error: unknown) => void}>} */
    this.waiting = new Map();
    this.send = this.inWorker().catch(() => this.beside());
  }

  /** @returns {Promise<(question: Question) => void>} */
  async inWorker() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: this.apart });
    await new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = reject;
    });
    this.worker = worker;
    worker.onmessage = ({ data }) => this.hear(data);
    worker.onerror = () => this.apart && this.end();
    return (question) => worker.postMessage(question);
  }

  /** @returns {Promise<(question: Question) => void>} */
  async beside() {
    if (this.apart) refuse("bundle.apart");
    const { Engine, answer } = await import("./engine/engine.js");
    const engine = new Engine();
    return (question) => void answer(engine, question, (said) => this.hear(said));
  }

  /** @param {Answer} said */
  hear({ id, told, made, refused }) {
    const asker = this.waiting.get(id);
    if (asker && told !== undefined) asker.tell(told);
    else {
      this.waiting.delete(id);
      if (refused) asker?.reject(new Refusal(refused.key, refused.values));
      else asker?.resolve(made);
    }
    this.watch();
  }

  /** Wait so long for the next word of a stranger's, and no longer. */
  watch() {
    clearTimeout(this.timer);
    if (this.apart && this.waiting.size) this.timer = setTimeout(() => this.end(), PATIENCE_MS);
  }

  end() {
    this.worker?.terminate();
    const gone = (this.gone = new Refusal("bundle.slow"));
    this.waiting.forEach(({ reject }) => reject(gone));
    this.waiting.clear();
  }
}

const page = new Line("");
/** @type {Map<string, Line>} */
const own = new Map();

/**
 * Ask the engine. `cancel` stops what is asked: the promise is then kept with what is there.
 * @param {Question["method"]} method @param {any} asked @param {(told: any) => void} [tell]
 */
export function ask(method, asked, tell = () => {}) {
  const { name } = asked;
  if (method === "openOwn") own.set(name, new Line(name));
  const line = own.get(name) ?? page;
  const id = ++last;
  const made = new Promise((resolve, reject) => {
    line.waiting.set(id, { tell, resolve, reject });
    line.send.then((send) => {
      if (line.gone) throw line.gone;
      send({ id, method, asked });
    }).catch(reject);
  });
  if (method === "openOwn") made.catch(() => line.end());
  line.watch();
  const cancel = () => void line.send.then((send) => line.waiting.has(id) && send({ id: 0, method: "cancel", asked: id }));
  return Object.assign(made, { cancel });
}
