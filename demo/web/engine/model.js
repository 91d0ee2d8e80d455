// A model that writes: an open step with what its bundle knows.
import { beginning, remember, score, Stream, walk } from "./generation.js";
import { refuse } from "./refusal.js";
import { BOUNDARY_ID, MAX_SEED, nats } from "./sampling.js";

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./generation.js").Memory} Memory
 * @typedef {import("./step.js").Step} Step
 *
 * What a visitor chooses; what is left out is the bundle's.
 * @typedef {object} Settings
 * @property {number} [temperature]
 * @property {number} [balance]
 * @property {number} [maxChars]
 * @property {number} [count]
 * @property {number} [seed]
 */

export const MAX_MESSAGE = 500;
export const MAX_COUNT = 20;
export const MAX_TEMPERATURE = 2;
export const MAX_CHARS = { names: 100, text: 2000 };

/** A step engine with its bundle. It remembers nothing between calls. */
export class Model {
  /** @param {Step} step @param {Bundle} bundle */
  constructor(step, bundle) {
    this.step = step;
    this.bundle = bundle;
    this.vocabulary = bundle.vocabulary;
    this.endless = bundle.kind === "text";
    this.hasNgram = bundle.states.some((state) => state.name === "mix_0");
  }

  /** A text that is not too long, composed. @param {string} text @param {number} limit characters at most */
  encodable(text, limit) {
    const message = text.normalize("NFC");
    const length = [...message].length;
    if (length > limit) refuse("refusal.message", { length, limit });
    return message;
  }

  /** Ids of what a visitor typed. @param {string} text @param {number} [limit] characters at most */
  encode(text, limit = MAX_MESSAGE) {
    const message = this.encodable(text, limit);
    const strangers = this.vocabulary.unknown(message);
    if (strangers.length) {
      const characters = strangers.slice(0, 8).map(named).join(", ");
      const hint = [message.toLowerCase(), titled(message)].find((each) => !this.vocabulary.unknown(each).length);
      if (hint) refuse("refusal.unknown.hint", { characters, hint });
      refuse("refusal.unknown", { characters, known: ranges(this.vocabulary.symbols).slice(0, 120) });
    }
    return this.vocabulary.encode(message);
  }

  /**
   * How to write, once every setting is within its limits.
   * @param {Settings} settings
   * @returns {import("./generation.js").Writing & {count: number}}
   */
  writing({ temperature, balance, maxChars, count, seed }) {
    const { kind, sampling, maxChars: usual } = this.bundle;
    const heard = this.hasNgram ? number("balance", balance ?? 0, -1, 1) : 0;
    const warmth = temperature ?? Math.min(sampling.temperature, MAX_TEMPERATURE);
    return {
      sampling: { ...sampling, balance: heard, temperature: number("temperature", warmth, 0, MAX_TEMPERATURE) },
      maxChars: whole("length.text", maxChars ?? Math.min(usual, MAX_CHARS[kind]), 1, MAX_CHARS[kind]),
      count: this.endless ? 1 : whole("count", count ?? 10, 1, MAX_COUNT),
      seed: whole("seed", seed ?? Math.floor(Math.random() * 1e6), 0, MAX_SEED),
      endless: this.endless,
    };
  }

  /**
   * @param {number[]} ids @param {import("./generation.js").Writing} writing
   * @param {Memory} [memory] @param {number} [row]
   */
  stream(ids, writing, memory, row) {
    return new Stream(this.step, ids, writing, memory, row);
  }

  /** The memory after a text. @param {number[]} ids @param {Memory} [memory] */
  remember(ids, memory) {
    return remember(this.step, ids, memory);
  }

  /** Nats of each of `ids`, and of the end for names. @param {number[]} ids */
  score(ids) {
    return score(this.step, this.endless ? ids : [...ids, BOUNDARY_ID]);
  }

  /**
   * What may come after `ids`, as probabilities by id (vocab,): text never ends, and an empty name
   * is no name.
   * @param {number[]} ids @param {Memory} [memory]
   */
  async predict(ids, memory) {
    const { logits } = await walk(this.step, ids, memory ?? beginning(this.step));
    const likely = nats(logits).map((paid) => Math.exp(-paid));
    if (this.endless || !(ids.length || memory)) {
      const rest = 1 - likely[BOUNDARY_ID];
      likely[BOUNDARY_ID] = 0;
      return likely.map((share) => share / rest);
    }
    return likely;
  }
}

/** @param {string} setting @param {number} value @param {number} low @param {number} high */
function number(setting, value, low, high) {
  if (!(value >= low && value <= high)) refuse("refusal.range", { setting, value, low, high });
  return value;
}

/** @param {string} setting @param {number} value @param {number} low @param {number} high */
function whole(setting, value, low, high) {
  if (!Number.isInteger(number(setting, value, low, high))) refuse("refusal.whole", { setting, value });
  return value;
}

/** A character as it can be named: itself, or its code point if it has no shape. @param {string} c */
function named(c) {
  const code = /** @type {number} */ (c.codePointAt(0)).toString(16).toUpperCase().padStart(4, "0");
  return visible(c) ? `«${c}»` : `U+${code}`;
}

/** The characters a model knows, neighbours in one: «a-z é ñ». @param {string[]} symbols */
function ranges(symbols) {
  /** @type {string[][]} */
  const runs = [];
  const code = (/** @type {string} */ c) => /** @type {number} */ (c.codePointAt(0));
  for (const symbol of symbols.filter(visible).sort((a, b) => code(a) - code(b))) {
    const last = runs.at(-1);
    if (last && code(symbol) === code(last[last.length - 1]) + 1) last.push(symbol);
    else runs.push([symbol]);
  }
  return runs.map((run) => (run.length > 3 ? `${run[0]}-${run.at(-1)}` : run.join(" "))).join(" ");
}

/** @param {string} c */
function visible(c) {
  return c !== "" && !/[\p{C}\p{Z}\s]/u.test(c);
}

/** @param {string} text */
function titled(text) {
  return text.toLowerCase().replace(/(?<!\p{L})\p{L}/gu, (letter) => letter.toUpperCase());
}
