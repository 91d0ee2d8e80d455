// The engine in a worker: {id, method, asked} in, {id, told} and then {id, made} or {id, refused} out.
import { Engine, answer } from "./engine/engine.js";

const engine = new Engine();
self.onmessage = ({ data }) => answer(engine, data, (/** @type {unknown} */ said) => self.postMessage(said));
self.postMessage({ ready: true });
