// The Learn tab: one text and one model, and everything on the tab follows them.
//
// `props.value` is the server's answer {id, refused, look}, look as in look.py; `props.models` is
// a list of {name, title, kind, start, network, bits}. Text is put in as text, never as markup.
const PAUSE = 120; // milliseconds without a key before the server is asked
const QUIET = 1200; // milliseconds without a change before a screen reader is told

const { make } = charmodels;
const learn = element.querySelector(".learn");
const find = (selector) => learn.querySelector(selector);
const menu = find("#learn-model");
const box = find("#learn-text");
const begin = find(".begin");
let models; // by name

let latest = 0; // the number of the last question; an answer to an earlier one is stale
let look = null; // the last answer that was no refusal
let fresh = false; // whether what is shown answers what is in the box
let ours = true; // whether the text is still the model's example
let written = null; // what the model wrote on: {given, text, names, seed, done}
let asking, telling; // timers

function model() {
  return models.get(menu.value) ?? props.models[0];
}

// ---- asking -----------------------------------------------------------------------------------

function ask(pause = 0) {
  latest += 1;
  fresh = false;
  clearTimeout(asking);
  clearTimeout(telling);
  asking = setTimeout(() => trigger("look"), pause);
}

function pick(character) {
  if (!fresh || !character) return; // the list belongs to another text, or the name is over
  box.value += character;
  ours = false;
  box.scrollTop = box.scrollHeight;
  ask();
}

function choose() {
  if (ours) box.value = model().start;
  written = null;
  ask();
  relabel();
}

// ---- showing ----------------------------------------------------------------------------------

function costs() {
  const bits = (value) => charmodels.number(value, 1);
  find(".costs").replaceChildren(
    ...look.costs.map((cost) => {
      const item = make("li", `cost level-${cost.level}`);
      const glyph = make("span", "glyph", cost.face.glyph);
      glyph.ariaHidden = "true";
      const unit = make("span", "unseen", ` ${charmodels.say("learn.many.bits")}`);
      const number = make("span", "bits", bits(cost.bits));
      number.dataset.bits = cost.bits;
      item.append(glyph, make("span", "unseen", `${cost.face.spoken}: `), number, unit);
      return item;
    }),
  );
  find(".costs").hidden = !look.costs.length;
  find(".sum").textContent = look.costs.length
    ? charmodels.say("learn.many.sum", {
        total: bits(look.total),
        mean: bits(look.total / look.costs.length),
      })
    : charmodels.say("learn.nothing");
}

function memory() {
  charmodels.cells(find(".cells"), look.memory);
  find(".numbers").textContent = charmodels.say("learn.memory", {
    numbers: charmodels.number(look.numbers),
    shown: charmodels.number(look.memory.length),
  });
}

function draw() {
  const answer = props.value;
  if (answer?.id !== latest) return;
  const refused = find(".refused");
  refused.hidden = !answer.refused;
  refused.textContent = answer.refused;
  learn.classList.toggle("refusing", Boolean(answer.refused));
  fresh = !answer.refused;
  if (!fresh) return;
  look = answer.look;
  charmodels.choices(find(".next"), look.next, pick);
  charmodels.options(find(".alone"), look.alone);
  charmodels.options(find(".whole"), look.next.slice(0, 3));
  find("#alone-title").textContent = look.last
    ? charmodels.say("learn.one.alone", { text: look.last.glyph })
    : charmodels.say("learn.nothing");
  find(".warmed").replaceChildren(
    ...look.warmed.map(({ temperature, options }) => {
      const column = make("div");
      const title = make("h4", "", `T = ${temperature}`);
      const rows = make("ol", "options");
      title.id = `warm-${temperature * 10}`;
      rows.setAttribute("aria-labelledby", title.id);
      charmodels.options(rows, options);
      column.append(title, rows);
      return column;
    }),
  );
  costs();
  memory();
  for (const place of learn.querySelectorAll(".echo")) {
    const letters = [...look.text.replaceAll("\n", "↵").replace(/ $/, "␣")];
    const text = (letters.length > 40 ? "…" : "") + letters.slice(-40).join("");
    place.textContent = charmodels.say(text ? "learn.echo" : "learn.nothing", { text });
  }
  const { spoken } = look;
  telling = setTimeout(() => (find(".spoken").textContent = spoken), QUIET);
}

function drawWritten() {
  const place = find(".written");
  begin.setAttribute("aria-disabled", String(Boolean(written && !written.done)));
  find(".facts").textContent = written
    ? charmodels.say("chat.seed", { seed: written.seed })
    : "";
  place.classList.toggle("text", Boolean(written && !written.names));
  place.ariaBusy = String(Boolean(written && !written.done));
  const texts = written ? (written.names ? written.text.split("\n") : [written.text]) : [];
  place.replaceChildren(
    ...texts.map((text) => {
      const item = make("li");
      const own = written.names ? text.slice(written.given.length) : text;
      item.append(make("span", "given", written.given), make("span", "own", own));
      return item;
    }),
  );
}

// The words of the page's language: those that never change, then those of the model.
function relabel() {
  for (const place of learn.querySelectorAll("[data-say]")) {
    place.textContent = charmodels.say(place.dataset.say);
  }
  const { kind, network, bits, title } = model();
  for (const option of menu.options) {
    option.textContent = models.get(option.value).title[charmodels.language];
  }
  begin.textContent = charmodels.say(kind === "names" ? "learn.write.names" : "learn.write.text");
  const facts = [
    [".yours", network, "learn.gates.yours", { network }],
    [".bits", bits, "learn.apart.bits", { bits, title: title[charmodels.language] }],
  ];
  for (const [place, known, key, values] of facts) {
    find(`p${place}`).hidden = !known;
    find(`p${place}`).textContent = charmodels.say(key, values);
  }
  drawWritten();
}

// ---- wiring -----------------------------------------------------------------------------------

charmodels.learn = {
  offered(list) {
    if (!list) return;
    models = charmodels.offer(menu, list);
    relabel();
  },

  asked: () => ({
    id: latest,
    model: menu.value,
    text: box.value,
    language: charmodels.language,
  }),

  written(answer) {
    if (!answer) return;
    if (answer.refused) find(".refused").hidden = false;
    if (answer.refused) find(".refused").textContent = answer.refused;
    written = answer.refused ? null : answer;
    drawWritten();
  },

  fail() {
    if (written) written.done = true;
    drawWritten();
    find(".refused").textContent = charmodels.say("chat.failed");
    find(".refused").hidden = false;
  },
};

models = charmodels.offer(menu, props.models);
box.value = model().start;
box.maxLength = props.limit;
box.addEventListener("input", () => {
  ours = !box.value;
  ask(PAUSE);
});
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && model().kind === "names") event.preventDefault(); // one line
});
menu.addEventListener("change", choose);
find(".undo").addEventListener("click", () => {
  box.value = [...box.value].slice(0, -1).join("");
  ours = false;
  ask();
});
find(".dive").addEventListener("click", () => {
  charmodels.visit("inside", { model: menu.value, text: box.value });
});
find(".change").addEventListener("click", () => {
  box.focus();
  box.scrollIntoView({ block: "center" });
});
begin.addEventListener("click", () => {
  if (begin.ariaDisabled !== "true") trigger("begin");
});
watch("value", draw);
window.addEventListener("charmodels:language", () => {
  relabel();
  ask();
});
// Gradio leaves its panel without a name, and this one did not exist when the page was made.
element.closest("[role=tabpanel]").setAttribute("aria-labelledby", "tab-learn-button");
relabel();
ask();
