// Look inside: a text coloured by what it cost the model or by one hidden unit, and the next letter.
import { ask } from "./host.js";
import { announce, bars, button, copy, face, find, linkTo, make, number, put, refill, say, whenSpoken } from "./page.js";
import { likeliest, warm } from "./write.js";

/**
 * @typedef {import("./app.js").Speaker} Speaker
 * @typedef {import("./engine/inside.js").Seen} Seen
 * @typedef {import("./engine/inside.js").Unit} Unit
 */

const SURPRISED = [1, 2, 4, 6]; // bits from which a letter is shown in the next stronger colour
const STRONG = [0.1, 0.3, 0.6, 0.85]; // the same of a unit's value
const PAUSE = 250; // milliseconds without a key before the text is read
const LIKELIEST = 5;

/** @param {import("./app.js").Page} page @returns {import("./app.js").Screen} */
export function buildInside(page) {
  /** @type {Speaker | null} */
  let speaker = null;
  /** @type {Seen | null} */
  let seen = null;
  /** @type {Unit | null} */
  let unit = null;
  let chosen = -1;
  let asked = 0;
  let timer = 0;

  const [text, states, index, letters, detail, dial] = ["text", "state", "index", "letters", "detail", "warmth"].map((name) => find(`inside-${name}`));
  const share = find("inside-share");
  find("inside-back").onclick = () => type([...text.value].slice(0, -1).join(""));
  find("inside-example").onclick = () => void write();
  share.onclick = () => copy(share, linkTo("inside", { model: speaker?.facts.name ?? "", text: text.value }), "web.linked");

  /** @param {string} value */
  function type(value) {
    text.value = value;
    void look();
  }

  async function write() {
    if (!speaker) return;
    const { name, kind } = speaker.facts;
    try {
      type(await ask("example", { name, text: kind === "text" ? speaker.told.beginnings[0] ?? "" : "" }));
    } catch (error) {
      page.refuse(error);
    }
  }

  async function look() {
    if (!speaker) return;
    clearTimeout(timer);
    const id = ++asked;
    try {
      const answer = await ask("inspect", { name: speaker.facts.name, text: text.value, unit });
      if (id !== asked) return; // the text has changed since
      seen = answer;
      page.refuse(null);
      draw();
    } catch (error) {
      if (id === asked) page.refuse(error);
    }
  }

  /** @param {Unit | null} wanted */
  function choose(wanted) {
    unit = wanted;
    if (wanted) {
      states.value = wanted.state;
      index.value = String(wanted.index);
    }
    furnish();
    void look();
  }

  function draw() {
    if (!seen || !speaker) return;
    const total = seen.letters.reduce((bits, letter) => bits + letter.bits, 0);
    refill("inside-letters", ...seen.letters.flatMap((letter, place) => {
      const { character, bits, value } = letter;
      const size = unit ? Math.abs(value ?? 0) : bits;
      const level = (unit ? STRONG : SURPRISED).filter((limit) => size >= limit).length;
      const negative = unit && (value ?? 0) < 0 ? " negative" : "";
      const bar = Math.min(1, size / (unit ? 1 : 8));
      const cell = make("span", { style: `--bar: ${bar}`, className: `letter level-${level}${negative}${character ? "" : " end"}` }, character || say("learn.end"));
      cell.onclick = () => point(place);
      return character ? [cell] : [cell, "\n"];
    }));
    put("inside-sum", seen.letters.length
      ? say("inside.sum", { total: number(total, 1), mean: number(total / seen.letters.length, 2) })
      : say("inside.nothing"));
    put("inside-explain", say(unit ? "inside.unit.text" : "inside.surprise.text"));
    point(Math.min(chosen, seen.letters.length - 1), false);
    drawNext();
  }

  /** What the model expected at a letter. @param {number} place @param {boolean} [aloud] */
  function point(place, aloud = true) {
    chosen = place;
    const letter = seen?.letters[place];
    const cells = letters.querySelectorAll(".letter");
    cells.forEach((/** @type {Element} */ cell, /** @type {number} */ i) => cell.classList.toggle("chosen", i === place));
    detail.hidden = !letter;
    if (!letter) return;
    const { glyph, spoken: name } = face(letter.character);
    const told = unit && letter.value !== null
      ? say("inside.value", { value: number(letter.value, 2) })
      : say("inside.cost", { bits: number(letter.bits, 1) });
    refill("inside-detail", make("h3", {}, `${glyph} · ${told}`), make("h4", {}, say("inside.expected")), bars(letter.expected));
    cells[place]?.scrollIntoView({ block: "nearest" });
    if (aloud) announce(`${name}, ${told}`);
  }

  function drawNext() {
    if (!seen || !speaker) return;
    const temperature = Number(dial.value);
    const { symbols } = speaker.facts;
    const add = (/** @type {string} */ character) => type(text.value + character);
    const both = warm(seen.next.both, temperature);
    const bits = both.reduce((all, share) => all - (share > 0 ? share * Math.log2(share) : 0), 0);
    put("inside-entropy", say("inside.entropy", { temperature: number(temperature, 2), bits: number(bits, 1), count: number(2 ** bits, 1) }));
    const parts = Object.entries(seen.next);
    refill("inside-parts", ...parts.map(([part, likely]) =>
      make("div", {}, make("h3", {}, say(parts.length > 1 ? `inside.part.${part}` : "inside.only")),
        bars(likeliest(symbols, warm(likely, temperature), LIKELIEST), add))));
    find("inside-back").disabled = !text.value;
  }

  /** What is said of the units that were found when the page was made. */
  function furnish() {
    if (!speaker) return;
    const { kind } = speaker.facts;
    const found = speaker.told.units ?? [];
    const named = (/** @type {string} */ property) => {
      const own = `inside.property.${property}.${kind}`;
      return say(own) === own ? say(`inside.property.${property}`) : say(own);
    };
    const surprise = button(say("inside.surprise"), () => choose(null));
    surprise.ariaPressed = String(!unit);
    refill("inside-units", surprise, ...found.map(({ property, state, index: place, score }) => {
      const made = button(`${named(property)} · ${say("inside.of", { score: number(100 * score) })}`, () => choose({ state, index: place }));
      made.ariaPressed = String(unit?.state === state && unit.index === place);
      return made;
    }));
  }

  letters.onkeydown = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !seen?.letters.length) return;
    event.preventDefault();
    point(Math.min(seen.letters.length - 1, Math.max(0, chosen + step)));
  };
  text.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  };
  dial.oninput = drawNext;
  states.onchange = index.onchange = () => {
    const size = speaker?.facts.states.find(({ name }) => name === states.value)?.shape.reduce((a, b) => a * b, 1) ?? 1;
    choose({ state: states.value, index: Math.min(size - 1, Math.max(0, Math.floor(Number(index.value)) || 0)) });
  };
  whenSpoken(() => {
    furnish();
    draw();
  });

  return {
    choose(now) {
      speaker = now;
      [unit, seen, chosen] = [null, null, -1];
      const held = now.facts.states.filter(({ dtype, name }) => dtype === "float32" && name !== "mix_0");
      refill("inside-state", ...held.map(({ name }) => make("option", { value: name }, name)));
      text.value = now.told.beginnings[0] ?? "";
      furnish();
      if (!find("inside").hidden) void look();
    },
    show: () => void (seen || look()),
    follow(keys) {
      if (keys.has("text")) type(keys.get("text") ?? "");
    },
  };
}
