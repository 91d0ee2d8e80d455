// A question to the engine as a message, and its answers as messages.

/**
 * @typedef {{id: number, method: "open" | "openOwn" | "write" | "names" | "predict" | "inspect" | "example" | "cancel", asked: any}} Question
 * @typedef {{id: number, told?: any, made?: any, refused?: {key: string, values: Record<string, string | number>}}} Answer
 */

/**
 * @param {import("./engine.js").Engine} engine
 * @param {Question} question
 * @param {(answer: Answer) => void} say
 */
export async function answer(engine, { id, method, asked }, say) {
  try {
    const made = await engine[method](asked, (/** @type {unknown} */ told) => say({ id, told }), id);
    say({ id, made });
  } catch (error) {
    const { key = "web.failed", values = { reason: String(error).slice(0, 200) } } = /** @type {any} */ (error);
    say({ id, refused: { key, values } });
  }
}
