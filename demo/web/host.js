// The page's side of the engine: a worker, or the same engine beside the page where the browser
// refuses workers, as it does in a sandboxed frame.
import { Refusal } from "./engine/refusal.js";

/**
 * @typedef {import("./engine/engine.js").Answer} Answer
 * @typedef {import("./engine/engine.js").Question} Question
 */

/** @type {Map<number, {tell: (told: any) => void, resolve: (made: any) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let last = 0;

/** @param {Answer} said */
function hear({ id, told, made, refused }) {
  const asker = waiting.get(id);
  if (!asker) return;
  if (told !== undefined) return asker.tell(told);
  waiting.delete(id);
  if (refused) asker.reject(new Refusal(refused.key, refused.values));
  else asker.resolve(made);
}

/** @returns {Promise<(question: Question) => void>} */
async function inWorker() {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  await new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = reject;
  });
  worker.onmessage = ({ data }) => hear(data);
  return (question) => worker.postMessage(question);
}

/** @returns {Promise<(question: Question) => void>} */
async function beside() {
  const { Engine, answer } = await import("./engine/engine.js");
  const engine = new Engine();
  return (question) => void answer(engine, question, hear);
}

const door = inWorker().catch(beside);

/**
 * Ask the engine. The promise has an `id`, by which `cancel` stops it.
 * @param {Question["method"]} method @param {any} asked @param {(told: any) => void} [tell]
 */
export function ask(method, asked, tell = () => {}) {
  const id = ++last;
  const made = new Promise((resolve, reject) => waiting.set(id, { tell, resolve, reject }));
  void door.then((send) => send({ id, method, asked }));
  return Object.assign(made, { id });
}

/** Stop writing what was asked under `id`. @param {number} id */
export function cancel(id) {
  void ask("cancel", id);
}
