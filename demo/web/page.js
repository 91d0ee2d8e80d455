// What every screen shares: elements, words, numbers, the address, what the browser remembers.

/** @typedef {"es" | "en"} Language */

/** @type {Record<string, Record<Language, string>>} */
let words = {};
/** @type {Language} */
export let language = "es";

/** @param {string} id @returns {any} */
export const find = (id) => document.getElementById(id);

/**
 * An element with its properties and contents; text is put in as text.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, any>} [given] @param {...(Node | string)} inside
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, given = {}, ...inside) {
  const { style, dataset, ...properties } = given;
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(style ?? {})) made.style.setProperty(name, String(value));
  Object.assign(made.dataset, dataset);
  made.append(...inside);
  return made;
}

/** A button that does not send a form. @param {string} said @param {() => void} click @param {string} [className] */
export function button(said, click, className = "") {
  return make("button", { type: "button", className, onclick: click }, said);
}

/** The sentence of `key`, its blanks filled. @param {string} key @param {Record<string, unknown>} [values] */
export function say(key, values = {}) {
  return (words[key]?.[language] ?? key).replace(/\{(\w+)\}/g, (blank, name) => String(values[name] ?? blank));
}

/** Fill everything of `root` that only says words. @param {ParentNode} root */
export function relabel(root) {
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-say]")))
    place.textContent = say(place.dataset.say ?? "");
}

/** @param {typeof words} given @param {Language} chosen */
export function speak(given, chosen) {
  words = given;
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = say("title");
  relabel(document);
  window.dispatchEvent(new Event("spoken"));
}

/** What went wrong, in words. @param {any} error */
export function told(error) {
  const { key = "web.failed", values = { reason: error?.message ?? String(error) } } = error;
  const blanks = { ...values };
  if (blanks.setting) blanks.setting = say(blanks.setting);
  return say(key, blanks);
}

/** Thousands apart: 98 432 in Spanish, 98,432 in English. @param {number} value @param {number} [places] */
export function number(value, places = 0) {
  const [whole, rest] = value.toFixed(places).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, language === "es" ? "\u202f" : ",");
  return rest ? `${grouped}.${rest}` : grouped;
}

/** A probability: 31 % in Spanish, 31% in English. @param {number} probability */
export function percent(probability) {
  const share = 100 * probability;
  const written = share > 0 && share < 0.05 ? "<0.1" : share.toFixed(share < 9.95 ? 1 : 0);
  return `${written}${language === "es" ? "\u00a0" : ""}%`;
}

/** A character made visible, and as it is read aloud. @param {string} character */
export function face(character) {
  if (character === "") return { glyph: say("learn.end"), spoken: say("learn.end.spoken") };
  if (character === " ") return { glyph: "␣", spoken: say("learn.space") };
  if (character === "\n") return { glyph: "↵", spoken: say("learn.newline") };
  if (/\p{M}/u.test(character)) return { glyph: `◌${character}`, spoken: character };
  return { glyph: character, spoken: character };
}

/**
 * The likeliest characters as a list of bars; `chosen` makes each a button.
 * @param {[string, number][]} options character and probability
 * @param {(character: string) => void} [chosen]
 */
export function bars(options, chosen) {
  const items = options.map(([character, share]) => {
    const { glyph, spoken } = face(character);
    const inside = [
      make("span", { className: character ? "glyph" : "glyph word", ariaHidden: "true" }, glyph),
      make("span", { className: "unseen" }, `${spoken} `),
      make("span", { className: "track" }, make("span", { className: "bar", style: { "--share": share } })),
      make("span", { className: "percent" }, percent(share)),
    ];
    const row = chosen && character
      ? make("button", { type: "button", className: "option", onclick: () => chosen(character) }, ...inside)
      : make("div", { className: "option" }, ...inside);
    return make("li", {}, row);
  });
  return make("ol", { className: "options" }, ...items);
}

/** What the browser remembers; nothing where storage is refused. @param {string} key */
export function remembered(key) {
  try {
    return localStorage.getItem(`charmodels.${key}`);
  } catch {
    return null;
  }
}

/** Whether it could be remembered. @param {string} key @param {string} value */
export function remember(key, value) {
  try {
    localStorage.setItem(`charmodels.${key}`, value);
    return true;
  } catch {
    return false;
  }
}

/** What the address asks for: `#write?model=...&prefix=...`. */
export function link() {
  const [tab, asked = ""] = location.hash.slice(1).split("?");
  return { tab, asked: new URLSearchParams(asked) };
}

/** @param {string} tab @param {Record<string, string | number>} keys */
export function linkTo(tab, keys) {
  const asked = new URLSearchParams(Object.entries(keys).map(([key, value]) => [key, String(value)]));
  return `${location.href.split("#")[0]}#${tab}?${asked}`;
}

/** Copy a text, and say so on the button. @param {HTMLElement} place @param {string} text @param {string} done */
export async function copy(place, text, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { value: text }); // pages without https have no clipboard
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    place.focus();
  }
  const before = place.textContent;
  place.textContent = say(done);
  setTimeout(() => (place.textContent = before), 1500);
}
