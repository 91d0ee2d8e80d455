// The Look inside tab: one text and one model, coloured by surprise or by one hidden unit, and the
// character that may come next.
//
// `props.value` is the server's answer {id, refused, look}, look as in inside.py; `props.models` is
// a list of {name, title, kind, states}. Text is put in as text, never as markup.
const PAUSE = 200; // milliseconds without a key before the server is asked
const SHOWN = 6; // characters of a column
const PEAKS = 3; // places named as the most surprising
const LOUD = 8; // bits at which the bar under a letter is whole
const SURPRISED = [1, 2, 4, 6]; // as in look.py
const STRONG = [0.15, 0.4, 0.65, 0.9]; // share of the largest value from which a colour is stronger
const FIRST_SEED = 7;

const { make, say, number } = charmodels;
const root = element.querySelector(".inside");
const find = (selector) => root.querySelector(selector);
const menu = find("#inside-model");
const box = find("#inside-text");
const letters = find(".letters");
const warmth = find("#inside-warmth");
const findings = new Map(); // by model: what was found in it

let models; // by name
let latest = 0; // the number of the last question; an answer to an earlier one is stale
let look = null; // the last answer that was no refusal
let fresh = false; // whether what is shown answers what is in the box
let seed = FIRST_SEED; // of the example that is asked for; null while the text is the visitor's
let view = "surprise";
let unit = null; // {state, index}, and {property, sign, concordance} of one that was found
let wanted = null; // a unit that the address named, until it is known whether it was found
let place = null; // the number of the chosen letter
let asking; // a timer

function model() {
  return models.get(menu.value) ?? props.models[0];
}

function face(character) {
  return look.faces[character] ?? { glyph: character, spoken: character };
}

function hundred(share) {
  return Math.round(100 * share);
}

// ---- asking -----------------------------------------------------------------------------------

function ask(pause = 0) {
  latest += 1;
  fresh = false;
  letters.ariaBusy = "true";
  clearTimeout(asking);
  asking = setTimeout(() => trigger("look"), pause);
  count();
}

function type(text) {
  box.value = text;
  box.scrollTop = box.scrollHeight;
  seed = null;
  place = null;
  ask();
}

function pick(character) {
  if (!fresh) return; // the list belongs to another text
  type(box.value + (character || "\n")); // a name is over: the next one begins on a new line
}

function choose(name) {
  if (name) menu.value = name;
  unit = null;
  place = null;
  if (!box.value) seed = FIRST_SEED;
  if (seed !== null) seed = FIRST_SEED;
  relabel();
  if (view === "unit") search();
  ask();
}

function search() {
  const finding = findings.get(menu.value);
  if (!finding) trigger("find");
  else if (!unit) choosing(finding.found[0] ?? { unit: first() });
  furnish();
}

function first() {
  const [state] = Object.keys(model().states);
  return state ? { state, index: 0 } : null;
}

function choosing(found) {
  unit = found.unit ? { ...found, ...found.unit } : null;
  furnish();
  ask();
}

// ---- the coloured text ------------------------------------------------------------------------

function stronger(value, limits) {
  return limits.filter((limit) => value >= limit).length;
}

function colour(letter, index, top) {
  const value = view === "unit" ? look.values[index] : null;
  const silent = view === "unit" && value === null;
  const share = view === "unit" ? Math.abs(value) / top : Math.min(look.bits[index] / LOUD, 1);
  const level = view === "unit" ? stronger(share, STRONG) : stronger(look.bits[index], SURPRISED);
  const sign = value < 0 ? "negative" : "positive";
  letter.className = `letter ${sign} level-${silent ? 0 : level}`;
  letter.classList.toggle("end", !look.characters[index]);
  letter.style.setProperty("--bar", silent ? 0 : share.toFixed(3));
}

function draw() {
  const made = look.characters.map((character, index) => {
    const glyph = character === " " ? " " : face(character).glyph;
    const breaks = character === "\n" || (!character && index + 1 < look.characters.length);
    const letter = make("span", "", glyph + (breaks ? "\n" : ""));
    letter.id = `letter-${index}`;
    letter.setAttribute("role", "option");
    if (!glyph.trim()) letter.ariaLabel = say("learn.space");
    return letter;
  });
  letters.replaceChildren(...made);
  if (place !== null && place >= made.length) place = null;
  paint();
}

function paint() {
  const values = look.values.filter((value) => value !== null);
  const top = Math.max(...values.map(Math.abs), 1e-6);
  [...letters.children].forEach((letter, index) => colour(letter, index, top));
  select(place, false);
  legend(values);
  const total = look.bits.reduce((sum, bits) => sum + bits, 0);
  find(".sum").textContent = look.bits.length
    ? say("inside.sum", { total: number(total, 1), mean: number(total / look.bits.length, 2) })
    : say("inside.nothing");
  peaks();
}

function swatch(className, text) {
  const made = make("span", "key");
  made.append(make("span", className), ` ${text}`);
  return made;
}

function legend(values) {
  const keys = [];
  if (view === "surprise") {
    const limits = [0, ...SURPRISED];
    limits.forEach((low, level) => {
      const high = limits[level + 1];
      keys.push(swatch(`letter positive level-${level}`, high ? `${low}–${high}` : `${low}+`));
    });
    keys.push(say("inside.legend"));
  } else if (values.length) {
    for (const level of [4, 3, 2, 1]) keys.push(swatch(`letter negative level-${level}`, ""));
    for (const level of [0, 1, 2, 3, 4]) keys.push(swatch(`letter positive level-${level}`, ""));
    const [low, high] = [Math.min(...values), Math.max(...values)].map(signed);
    keys.push(say("inside.legend.range", { low, high }));
  }
  find(".legend").replaceChildren(...keys);
}

function peaks() {
  const spot = find(".peaks");
  spot.hidden = view !== "surprise" || !look.bits.length;
  const order = look.bits.map((bits, index) => [bits, index]).sort((a, b) => b[0] - a[0]);
  spot.replaceChildren(
    `${say("inside.peaks")} `,
    ...order.slice(0, PEAKS).map(([bits, index]) => {
      const button = make("button");
      button.type = "button";
      const start = Math.max(0, index - 8);
      const before = look.characters.slice(start, index).map((c) => (c === " " ? " " : face(c).glyph));
      button.append(
        make("span", "before", (start ? "…" : "") + before.join("")),
        make("b", "", face(look.characters[index]).glyph),
        ` ${say("inside.cost", { bits: number(bits, 1) })}`,
      );
      button.addEventListener("click", () => select(index));
      return button;
    }),
  );
}

// ---- one letter -------------------------------------------------------------------------------

function told(index) {
  const bits = say("inside.cost", { bits: number(look.bits[index], 1) });
  const value = look.values[index];
  if (view !== "unit" || value === null || value === undefined) return bits;
  return `${say("inside.value", { value: signed(value) })} · ${bits}`;
}

function signed(value) {
  return (value < 0 ? "\u2212" : "+") + number(Math.abs(value), 2);
}

// The letter at this number is shown beside the text, and told to those who listen.
function select(index, aloud = true) {
  letters.querySelector("[aria-selected=true]")?.removeAttribute("aria-selected");
  const letter = index === null ? undefined : letters.children[index];
  root.classList.toggle("selecting", Boolean(letter));
  place = letter ? index : null;
  letters.removeAttribute("aria-activedescendant");
  if (!letter) return;
  const { glyph, spoken } = face(look.characters[index]);
  letter.setAttribute("aria-selected", "true");
  letter.ariaLabel = `${spoken}, ${told(index)}`;
  letters.setAttribute("aria-activedescendant", letter.id);
  find(".detail .glyph").textContent = glyph;
  find(".detail .said").textContent = told(index);
  charmodels.options(find(".expected"), look.expected[index].map(([c, share]) => option(c, share)));
  const here = look.characters[index];
  [...find(".expected").children].forEach((item, rank) =>
    item.classList.toggle("here", look.expected[index][rank][0] === here),
  );
  if (!aloud) return;
  letter.scrollIntoView({ block: "nearest" });
  const three = look.expected[index].slice(0, 3);
  find(".spoken").textContent = say("inside.expected.spoken", {
    options: three.map(([c, share]) => `${face(c).spoken} ${charmodels.percent(share)}`).join(", "),
  });
}

// The nearest letter of the line above (-1) or below (1).
function beside(index, direction) {
  const from = letters.children[index];
  let best = index;
  for (let i = index + direction; letters.children[i]; i += direction) {
    const letter = letters.children[i];
    const line = letters.children[best];
    if (best !== index && letter.offsetTop !== line.offsetTop) break;
    if (letter.offsetTop === from.offsetTop) continue;
    const off = (other) => Math.abs(other.offsetLeft - from.offsetLeft);
    if (best === index || off(letter) < off(line)) best = i;
  }
  return best;
}

function move(event) {
  const last = letters.children.length - 1;
  if (last < 0) return;
  const at = place ?? -1;
  const targets = {
    ArrowRight: () => Math.min(at + 1, last),
    ArrowLeft: () => Math.max(at - 1, 0),
    ArrowDown: () => (place === null ? 0 : beside(at, 1)),
    ArrowUp: () => (place === null ? 0 : beside(at, -1)),
    Home: () => 0,
    End: () => last,
  };
  if (!targets[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  select(targets[event.key]());
}

// ---- units ------------------------------------------------------------------------------------

function named(property) {
  const whole = `inside.property.${property}`;
  return say(whole in charmodelsWords ? whole : `${whole}.${model().kind}`);
}

function furnish() {
  const isUnit = view === "unit";
  const finding = findings.get(menu.value);
  for (const button of root.querySelectorAll("[data-view]")) {
    button.ariaPressed = String(button.dataset.view === view);
  }
  find(".finder").hidden = !isUnit;
  find(".how").hidden = !isUnit || !finding;
  find(".explain").textContent = explained();
  if (!isUnit) return;
  const bar = hundred(props.bar);
  find(".searching").textContent = !finding
    ? say("inside.searching")
    : finding.found.length
      ? ""
      : say("inside.none", { bar });
  find(".found").replaceChildren(
    ...(finding?.found ?? []).map((found) => {
      const item = make("li");
      const button = make("button");
      button.type = "button";
      button.ariaPressed = String(unit?.property === found.property);
      button.append(
        make("span", "property", named(found.property)),
        make("span", "score", say("inside.of", { score: hundred(found.concordance) })),
        make("span", "which", `${found.unit.state} ${found.unit.index}`),
      );
      button.addEventListener("click", () => choosing(found));
      item.append(button);
      return item;
    }),
  );
  const sizes = model().states;
  find(".state").replaceChildren(
    ...Object.keys(sizes).map((state) => {
      const made = make("option", "", state);
      made.value = state;
      return made;
    }),
  );
  if (unit) find(".state").value = unit.state;
  find(".index").value = unit?.index ?? "";
  find(".index").max = (sizes[unit?.state] ?? 1) - 1;
  if (!finding) return;
  find(".pairs").textContent = say("inside.how.pairs", {
    score: hundred(unit?.concordance ?? finding.found[0]?.concordance ?? props.bar),
  });
  find(".halves").textContent = say("inside.how.halves", {
    characters: number(finding.characters),
    tried: finding.tried,
    units: number(finding.units),
    chance: hundred(finding.chance),
    bar,
  });
}

function explained() {
  if (view === "surprise") return say("inside.surprise.text");
  if (!unit?.property) return say("inside.unit.text");
  const key = unit.sign < 0 ? "inside.low" : "inside.high";
  const sentences = [say("inside.unit.text"), say(key, { property: named(unit.property) })];
  if (fresh && look && look.agrees !== null) {
    const agrees = unit.sign < 0 ? 1 - look.agrees : look.agrees;
    sentences.push(say("inside.agrees", { score: hundred(agrees) }));
  }
  return sentences.join(" ");
}

function typed() {
  const state = find(".state").value;
  const size = model().states[state] ?? 1;
  const index = Math.min(Math.max(Math.trunc(Number(find(".index").value)) || 0, 0), size - 1);
  const finding = findings.get(menu.value);
  choosing(known(finding, { state, index }));
}

// What was found of this unit, or else only its place.
function known(finding, { state, index }) {
  const same = (each) => each.unit.state === state && each.unit.index === index;
  return finding?.found.find(same) ?? { unit: { state, index } };
}

// ---- the next letter --------------------------------------------------------------------------

// The same characters with their scores divided by a temperature, as demo.look does.
function warmed(options, temperature) {
  if (temperature === 0) return options.map(([c], rank) => [c, rank ? 0 : 1]);
  const scores = options.map(([, share]) => Math.log(share) / temperature);
  const weights = scores.map((score) => Math.exp(score - Math.max(...scores)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return options.map(([c], rank) => [c, weights[rank] / total]);
}

function option(character, share) {
  return { character, share, face: face(character), percent: charmodels.percent(share) };
}

function onward() {
  const temperature = Number(warmth.value);
  const heard = Object.keys(look.next);
  const order = heard.length > 1 ? ["network", "both", "ngram"] : heard;
  const columns = find(".parts");
  if (columns.children.length !== order.length) {
    columns.replaceChildren(
      ...order.map((part) => {
        const column = make("div", `part ${part}`);
        const title = make("h3");
        const list = make("ol", "options choices");
        title.id = `part-${part}`;
        list.setAttribute("aria-labelledby", title.id);
        column.append(title, list);
        return column;
      }),
    );
  }
  order.forEach((part, at) => {
    const [title, list] = columns.children[at].children;
    title.textContent = say(order.length > 1 ? `inside.part.${part}` : "inside.only");
    const options = warmed(look.next[part], temperature).slice(0, SHOWN);
    charmodels.choices(list, options.map(([c, share]) => option(c, share)), pick, true);
  });
  const shares = warmed(look.next.both, temperature).map(([, share]) => share);
  const bits = -shares.reduce((sum, p) => sum + (p > 0 ? p * Math.log2(p) : 0), 0);
  const values = { temperature: number(temperature, 2), bits: number(Math.abs(bits), 2) };
  find(".entropy").textContent = say("inside.entropy", { ...values, count: number(2 ** bits, 1) });
  charmodels.cells(find(".cells"), look.memory);
  const { state, index } = unit ?? {};
  if (view === "unit" && state === Object.keys(model().states)[0]) {
    find(".cells").children[index]?.classList.add("chosen");
  }
  find(".numbers").textContent = say("inside.memory.text", {
    numbers: number(look.numbers),
    shown: number(look.memory.length),
  });
  const last = [...look.text.replaceAll("\n", "↵").replace(/ $/, "␣")];
  const text = (last.length > 40 ? "…" : "") + last.slice(-40).join("");
  find(".echo").textContent = say(text ? "learn.echo" : "inside.nothing", { text });
}

// ---- wiring -----------------------------------------------------------------------------------

function count() {
  const told = say("inside.count", { count: number(box.value.length), limit: number(props.limit) });
  const lines = model().kind === "names" ? ` ${say("inside.lines")}` : "";
  find("#inside-count").textContent = told + lines;
}

function show() {
  const answer = props.value;
  if (answer?.id !== latest) return;
  letters.ariaBusy = "false";
  find(".refused").hidden = !answer.refused;
  find(".refused").textContent = answer.refused;
  root.classList.toggle("refusing", Boolean(answer.refused));
  fresh = !answer.refused;
  if (!fresh) return;
  look = answer.look;
  if (seed !== null) box.value = look.text;
  count();
  furnish();
  draw();
  onward();
}

// The words of the page's language.
function relabel() {
  for (const spot of root.querySelectorAll("[data-say]")) spot.textContent = say(spot.dataset.say);
  for (const each of menu.options) {
    each.textContent = models.get(each.value).title[charmodels.language];
  }
  count();
  furnish();
}

// What a link asks for, as far as there is such a thing; the server checks the rest.
function follow() {
  const { tab, settings } = charmodels.link;
  if (tab !== "inside") return false;
  const { text } = settings;
  if (models.has(settings.model)) menu.value = settings.model;
  if (text !== undefined) box.value = text.slice(0, props.limit);
  seed = text === undefined ? FIRST_SEED : null;
  unit = null;
  place = null;
  const [, state, index] = /^(.+)\.(\d{1,7})$/.exec(settings.unit ?? "") ?? [];
  if (Object.hasOwn(model().states, state ?? "") && Number(index) < model().states[state]) {
    wanted = { state, index: Number(index) };
    view = "unit";
    unit = { ...wanted };
  }
  return true;
}

function linked() {
  const values = new URLSearchParams({ model: menu.value, text: box.value });
  if (view === "unit" && unit) values.set("unit", `${unit.state}.${unit.index}`);
  return `#inside?${values}`;
}

charmodels.inside = {
  offered(list) {
    if (list) offer(list);
    if (list) relabel();
  },

  asked: () => ({
    id: latest,
    model: menu.value,
    text: seed === null ? box.value : null,
    seed,
    language: charmodels.language,
    state: unit?.state ?? null,
    index: unit?.index ?? null,
    property: unit?.property ?? null,
  }),

  found(answer) {
    if (!answer) return;
    if (answer.refused) {
      charmodels.inside.fail(answer.refused);
      return;
    }
    findings.set(answer.model, answer);
    if (answer.model !== menu.value) {
      if (view === "unit") search();
      return;
    }
    const chosen = wanted ?? (unit && !unit.property ? unit : null);
    wanted = null;
    if (chosen) choosing(known(answer, chosen));
    else if (view === "unit" && !unit) choosing(answer.found[0] ?? { unit: first() });
    else furnish();
  },

  fail(reason = say("chat.failed")) {
    find(".refused").textContent = reason;
    find(".refused").hidden = false;
  },
};

function offer(list) {
  models = charmodels.offer(menu, list);
  for (const name of findings.keys()) if (!models.has(name)) findings.delete(name);
}
offer(props.models);
box.maxLength = props.limit;
box.addEventListener("input", () => {
  seed = null;
  place = null;
  ask(PAUSE);
});
menu.addEventListener("change", () => choose());
find(".example").addEventListener("click", () => {
  seed = seed === null ? Math.floor(1e6 * Math.random()) : seed + 1;
  place = null;
  ask();
});
find(".link").addEventListener("click", async () => {
  history.replaceState(null, "", linked());
  await charmodels.copy(location.href);
  find(".link").textContent = say("chat.copied");
  setTimeout(() => (find(".link").textContent = say("inside.link")), 1500);
});
for (const button of root.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => {
    view = button.dataset.view;
    if (look) paint();
    if (view === "unit") search();
    else furnish();
  });
}
letters.addEventListener("click", (event) => {
  const letter = event.target.closest("[role=option]");
  if (letter) select([...letters.children].indexOf(letter));
});
letters.addEventListener("keydown", move);
find(".state").addEventListener("change", typed);
find(".index").addEventListener("change", typed);
find(".back").addEventListener("click", () => {
  if (box.value) type([...box.value].slice(0, -1).join(""));
});
warmth.addEventListener("input", () => {
  if (look) onward();
});
watch("value", show);
window.addEventListener("charmodels:language", () => {
  relabel();
  ask();
});
window.addEventListener("charmodels:link", () => {
  if (!follow()) return;
  relabel();
  if (view === "unit") search();
  ask();
});
// Gradio leaves its panel without a name, and this one did not exist when the page was made.
element.closest("[role=tabpanel]").setAttribute("aria-labelledby", "tab-inside-button");
follow();
relabel();
if (view === "unit") search();
ask();
