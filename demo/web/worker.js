// The engine in a worker: {id, method, asked} in, {id, told} and then {id, made} or {id, refused} out.
import { Engine, answer } from "./engine/engine.js";

const PAGES = 8192; // of 64 KiB: the most that a bundle of the visitor's own may fill
const { Memory } = WebAssembly;
if (self.name) WebAssembly.Memory = class extends Memory {
  /** @param {WebAssembly.MemoryDescriptor} asked */
  constructor(asked) {
    super({ ...asked, maximum: PAGES });
  }
};

const engine = new Engine();
self.onmessage = ({ data }) => answer(engine, data, (/** @type {unknown} */ said) => self.postMessage(said));
self.postMessage({ ready: true });
