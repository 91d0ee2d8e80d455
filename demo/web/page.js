// What every screen shares: elements, words, numbers, the address, what the browser remembers.

/** @typedef {"es" | "en"} Language */

/** @type {Record<string, Record<Language, string>>} */
let words = {};
/** @type {Language} */
export let language = "es";

/** @param {string} id @returns {any} */
export const find = (id) => document.getElementById(id);

/** @param {string} id @param {string} text */
export const put = (id, text) => (find(id).textContent = text);

/** Whenever the language changes. @param {() => void} hear */
export const whenSpoken = (hear) => window.addEventListener("spoken", hear);

/**
 * An element with its properties, or its class alone, and contents; text is put in as text.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, any> | string} [given] @param {...(Node | string)} inside
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, given = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), typeof given === "string" ? { className: given } : given);
  made.append(...inside);
  return made;
}

/** @param {string} className @param {...(Node | string)} inside */
export const span = (className, ...inside) => make("span", className, ...inside);

/** New contents; what had the focus among them has it still. @param {string} id @param {...(Node | string)} inside */
export function refill(id, ...inside) {
  const place = find(id);
  const controls = () => [...place.querySelectorAll("button")];
  const held = controls().findIndex((each) => each === document.activeElement);
  place.replaceChildren(...inside);
  controls()[held]?.focus();
}

/** Let a screen reader say it. @param {string} text */
export const announce = (text) => put("spoken", text);

/** A button that does not send a form. @param {string} said @param {() => void} click @param {string} [className] */
export function button(said, click, className = "") {
  return make("button", { type: "button", className, onclick: click }, said);
}

/** The sentence of `key`, its blanks filled. @param {string} key @param {Record<string, unknown>} [values] */
export function say(key, values = {}) {
  return (words[key]?.[language] ?? key).replace(/\{(\w+)\}/g, (blank, name) => String(values[name] ?? blank));
}

/** @param {typeof words} given @param {Language} chosen */
export function speak(given, chosen) {
  words = given;
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = say("title");
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-say], [data-label]"))) {
    const { say: key, label } = place.dataset;
    if (key) place.textContent = say(key);
    if (label) place.ariaLabel = say(label);
  }
  window.dispatchEvent(new Event("spoken"));
}

/** What went wrong, in words. @param {any} error */
export function told(error) {
  const { key = "web.failed", values = { reason: error?.message ?? String(error) } } = error;
  return say(key, { ...values, setting: say(values.setting ?? "") });
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

/** @type {Record<string, [string, string?]>} */
const FACES = { "": ["learn.end", "learn.end.spoken"], " ": ["␣", "learn.space"], "\n": ["↵", "learn.newline"] };

/** A character made visible, and as it is read aloud. @param {string} character */
export function face(character) {
  const [glyph, key] = FACES[character] ?? [/\p{M}/u.test(character) ? `◌${character}` : character];
  return { glyph: character ? glyph : say(glyph), spoken: key ? say(key) : character };
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
      span("unseen", `${spoken} `),
      span("track", make("span", { className: "bar", style: `--share: ${share}` })),
      span("percent", percent(share)),
    ];
    const row = chosen && character
      ? make("button", { type: "button", className: "option", onclick: () => chosen(character) }, ...inside)
      : make("div", "option", ...inside);
    return make("li", {}, row);
  });
  return make("ol", "options", ...items);
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

/** @param {string} tab @param {string | Record<string, any>} keys */
export function linkTo(tab, keys) {
  const asked = new URLSearchParams(keys);
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
