// The Names tab: a wish on the left, the names that answer it on the right, the kept ones below.
//
// `props.models` is a list of {name, title, about, ngram, temperature, longest, patterns, rate}.
// The server answers a wish with {id, refused, seed, names, next, few, done}, growing; a name is
// {name, standing, nats}. Text is put in as text, never as markup. Favourites and links are made
// here: the server keeps nothing.
const PAUSE = 350; // milliseconds without a key before a wish is checked
const KEY = "charmodels.favourites";
const MOST = 500; // favourites kept of one model
const FILTERS = ["starts", "ends", "contains", "shortest", "longest", "pattern", "novel"];
const DIALS = ["temperature", "balance"];
const NOBODY = { title: {}, about: {}, patterns: [], rate: null }; // where no model writes names
const STANDING = { new: "names.new", near: "names.near", known: "names.known" };

const { make } = charmodels;
const names = element.querySelector(".names");
const find = (selector) => names.querySelector(selector);
const form = find(".wish");
// By their ids: in a form an input named `contains` would hide the form's own method.
const fields = Object.fromEntries(
  [...FILTERS, ...DIALS, "seed"].map((name) => [name, find(`#names-${name}`)]),
);
const menu = find("#names-model");
const list = find(".sheet .list");

let models; // by name
let latest = 0; // the number of the last wish; an answer to an earlier one is stale
let checks = 0; // the same of checks
let asking = null; // the wish that was sent
let batch = null; // what is shown: {wish, before, names, next, few, done}
let favourites = read(); // model name -> list of {name, standing, seed, settings}
let lasting = true; // whether the browser keeps them
let followed = null; // the link whose settings stand in the form
let checking; // a timer

function model() {
  return models.get(menu.value) ?? NOBODY;
}

// ---- the wish ---------------------------------------------------------------------------------

function whole(text) {
  return /^\d+$/.test(text) ? Number(text) : text || null;
}

function wish() {
  return {
    model: menu.value,
    starts: fields.starts.value,
    ends: fields.ends.value,
    contains: fields.contains.value,
    shortest: whole(fields.shortest.value),
    longest: whole(fields.longest.value),
    pattern: fields.pattern.value.trim(),
    novel: fields.novel.checked && !fields.novel.disabled,
    temperature: Number(fields.temperature.value),
    balance: model().ngram ? Number(fields.balance.value) : 0,
    seed: whole(fields.seed.value.trim()),
  };
}

// The filters that ask for something.
function used() {
  const wished = wish();
  return FILTERS.filter((name) => wished[name]);
}

// As it stands in a link and beside a favourite: what is not as it always is.
function settings(wished) {
  const told = new URLSearchParams({ model: wished.model });
  for (const name of [...FILTERS, ...DIALS, "seed"]) {
    const value = wished[name];
    if (value || value === 0) told.set(name, value === true ? "1" : String(value));
  }
  if (!wished.balance) told.delete("balance");
  return told.toString();
}

// Fill the form from a link; whatever it says, a field takes only what fits it.
function restore() {
  const { tab, settings: given } = charmodels.link;
  const told = new URLSearchParams(given);
  if (charmodels.link === followed || tab !== "names" || !told.size) return;
  followed = charmodels.link;
  const known = models.has(told.get("model"));
  if (known) menu.value = told.get("model");
  settle();
  for (const name of ["starts", "ends", "contains", "shortest", "longest", "pattern", "seed"]) {
    const text = (told.get(name) ?? "").slice(0, props.limit);
    fields[name].value = fields[name].type !== "number" || /^\d+$/.test(text) ? text : "";
  }
  fields.novel.checked = told.get("novel") === "1" && !fields.novel.disabled;
  for (const name of DIALS) {
    const value = told.get(name);
    if (value !== null && Number.isFinite(Number(value))) fields[name].value = value;
  }
  if (DIALS.some((name) => told.has(name))) find(".settings").open = true;
  relabel();
  if (FILTERS.some((name) => told.has(name))) find(".filters").open = true;
  if (!known) refuse({ field: "model", text: charmodels.say("names.stranger") });
  else if (told.has("seed")) begin();
}

// What changes with the model.
function settle() {
  const { ngram, temperature, rate } = model();
  halt();
  batch = null;
  fields.temperature.value = temperature ?? 1;
  fields.balance.value = 0;
  find(".balance").hidden = !ngram;
  fields.novel.disabled = rate === null;
  refuse(null);
  draw();
}

function check() {
  clearTimeout(checking);
  relabel();
  checks += 1;
  if (!used().length) return refuse(null);
  checking = setTimeout(() => trigger("check"), PAUSE);
}

function begin(more = false) {
  if (names.classList.contains("busy")) return;
  latest += 1;
  checks += 1; // a check still on its way is stale
  clearTimeout(checking);
  asking = more ? { ...batch.wish, first: batch.next } : { ...wish(), first: 0 };
  batch = more ? { ...batch, before: batch.names, done: false } : null;
  busy(true);
  refuse(null);
  draw();
  trigger("write");
}

function halt() {
  if (!names.classList.contains("busy")) return;
  trigger("halt");
  latest += 1;
  end();
}

function end() {
  busy(false);
  if (batch) batch.done = true;
  draw();
}

function busy(now) {
  names.classList.toggle("busy", now);
  list.ariaBusy = String(now);
  for (const button of [find(".ten"), find(".more")]) button.ariaDisabled = String(now);
}

// Say why a wish cannot be granted, under the field it is about.
function refuse(refused) {
  const told = find(".refused");
  for (const input of [menu, ...Object.values(fields)]) input.removeAttribute("aria-invalid");
  told.hidden = !refused;
  told.textContent = "";
  if (!refused) return;
  const input = refused.field === "model" ? menu : fields[refused.field];
  if (input) {
    input.ariaInvalid = "true";
    const folded = input.closest("details");
    if (folded) folded.open = true;
    (input.closest(".row, .dial, .tick") ?? input).after(told);
  } else {
    find(".ten").before(told);
  }
  told.textContent = refused.text;
}

// ---- the names --------------------------------------------------------------------------------

function badge({ standing, nats }) {
  const told = make("span", `badge ${standing ?? ""}`);
  const words = [];
  if (STANDING[standing]) words.push(charmodels.say(STANDING[standing]));
  if (typeof nats === "number") {
    words.push(charmodels.say("names.nats", { nats: charmodels.number(nats, 1) }));
  }
  told.textContent = words.join(" · ");
  return told;
}

function item(named) {
  const row = make("li");
  const button = make("button", "name");
  button.type = "button";
  const heart = make("span", "heart");
  heart.ariaHidden = "true";
  button.append(make("span", "word", named.name), make("span", "unseen", ", "), badge(named), heart);
  button.addEventListener("click", () => toggle(named));
  row.append(button);
  return row;
}

function draw() {
  const shown = batch?.names ?? [];
  while (list.children.length > shown.length) list.lastChild.remove();
  shown.forEach((named, index) => {
    const there = list.children[index];
    if (there?.firstChild.firstChild.textContent === named.name) return;
    if (there) there.replaceWith(item(named));
    else list.append(item(named));
  });
  const writing = names.classList.contains("busy");
  const done = Boolean(batch?.done);
  find(".empty").hidden = shown.length > 0 || writing || done;
  list.hidden = !shown.length && !writing;
  find(".few").hidden = !(done && batch.few);
  find(".sheet footer").hidden = !shown.length;
  find(".sheet .more").hidden = !batch || batch.next >= props.rows;
  find(".legend").hidden = !shown.length;
  marks();
  facts();
}

// Which of the names shown are kept.
function marks() {
  const kept = new Set((favourites.get(menu.value) ?? []).map((each) => each.name));
  (batch?.names ?? []).forEach((named, index) => {
    list.children[index].firstChild.ariaPressed = String(kept.has(named.name));
  });
}

function facts() {
  if (!batch) return;
  const { wish: wished, few } = batch;
  find(".sheet .facts").textContent = [
    charmodels.say("chat.seed", { seed: wished.seed }),
    charmodels.say("chat.temperature", { value: charmodels.number(wished.temperature, 2) }),
  ].join(" · ");
  find(".few").textContent = few
    ? charmodels.say(batch.names.length ? "names.few" : "names.none")
    : "";
  const { rate } = models.get(wished.model);
  find(".legend .rate").hidden = rate === null;
  find(".legend .rate").textContent = rate
    ? charmodels.say("names.rate", {
        known: charmodels.number(rate.known),
        near: charmodels.number(rate.near),
      })
    : "";
  for (const standing of Object.keys(STANDING)) find(`.legend .${standing}`).hidden = rate === null;
}

function announce() {
  const told = { new: 0, near: 0, known: 0 };
  for (const { standing } of batch.names) if (standing in told) told[standing] += 1;
  const judged = models.get(batch.wish.model).rate !== null;
  find(".spoken").textContent = charmodels.say(judged ? "names.said" : "names.said.unjudged", {
    count: batch.names.length,
    ...told,
  });
}

// ---- favourites: in this browser only ---------------------------------------------------------

function read() {
  const found = new Map();
  try {
    for (const [name, kept] of Object.entries(JSON.parse(localStorage.getItem(KEY)) ?? {})) {
      if (Array.isArray(kept)) found.set(name, kept.filter(sound).slice(0, MOST));
    }
  } catch {
    // nothing kept, storage forbidden, or something that is none of ours
  }
  return found;
}

function sound(kept) {
  const short = (text, limit) => typeof text === "string" && text.length <= limit;
  return (
    short(kept?.name, 200) &&
    short(kept.settings, 2000) &&
    Number.isSafeInteger(kept.seed) &&
    (kept.standing === null || Object.hasOwn(STANDING, kept.standing))
  );
}

function keep(kept) {
  favourites.set(menu.value, kept.slice(0, MOST));
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(favourites)));
    lasting = true;
  } catch {
    lasting = false; // forbidden or full: they last for this visit
  }
  marks();
  drawKept();
}

function toggle({ name, standing }) {
  const kept = favourites.get(menu.value) ?? [];
  const others = kept.filter((each) => each.name !== name);
  const { seed } = batch.wish;
  const added = { name, standing, seed, settings: settings(batch.wish) };
  keep(others.length < kept.length ? others : [...kept, added]);
}

function drawKept() {
  const kept = favourites.get(menu.value) ?? [];
  const place = find(".kept .list");
  place.replaceChildren(
    ...kept.map((each, index) => {
      const row = make("li");
      const remove = make("button", "remove", "×");
      remove.type = "button";
      remove.ariaLabel = charmodels.say("names.remove", { name: each.name });
      remove.addEventListener("click", () => {
        keep(kept.filter((other) => other !== each));
        const next = place.children[index] ?? place.lastChild;
        (next?.lastChild ?? find("#names-kept")).focus();
      });
      row.append(make("span", "word", each.name), badge(each), remove);
      return row;
    }),
  );
  const title = model().title[charmodels.language] ?? "";
  const hint = [charmodels.say(kept.length ? "names.kept.of" : "names.kept.none", { title })];
  if (!lasting) hint.push(charmodels.say("names.kept.fleeting"));
  find(".kept .hint").textContent = hint.join(" ");
  find(".kept footer").hidden = !kept.length;
  for (const option of menu.options) {
    const { title: titles } = models.get(option.value);
    const count = favourites.get(option.value)?.length;
    option.textContent = titles[charmodels.language] + (count ? ` ♥\ufe0e ${count}` : "");
  }
}

// ---- taking them away -------------------------------------------------------------------------

// A cell that a spreadsheet would take for a formula is made plain text by an apostrophe.
function cell(value) {
  const text = String(value ?? "");
  const safe = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function save(rows) {
  const head = ["name", "model", "standing", "seed", "settings"];
  const lines = [
    head,
    ...rows.map((each) => [each.name, menu.value, each.standing, each.seed, each.settings]),
  ].map((cells) => cells.map(cell).join(","));
  const text = `\ufeff${lines.join("\r\n")}\r\n`; // the mark tells a spreadsheet that it is UTF-8
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = `${menu.value}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function copy(button, text, said) {
  await charmodels.copy(text);
  const before = button.dataset.say;
  button.textContent = charmodels.say(said);
  setTimeout(() => (button.textContent = charmodels.say(before)), 1500);
}

function share() {
  const hash = `#names?${settings(batch.wish)}`;
  history.replaceState(null, "", hash);
  copy(find(".share"), location.href, "names.shared");
}

// ---- words and wiring -------------------------------------------------------------------------

function relabel() {
  for (const place of names.querySelectorAll("[data-say]")) {
    place.textContent = charmodels.say(place.dataset.say);
  }
  const { about, longest, patterns } = model();
  find(".about").textContent = about[charmodels.language] ?? "";
  fields.longest.placeholder = longest ?? "";
  fields.seed.placeholder = charmodels.say("seed.empty");
  find(".unjudged").hidden = !fields.novel.disabled;
  const { length } = used();
  find(".active").textContent = length ? `(${length})` : "";
  for (const name of DIALS) {
    const output = find(`output[for=names-${name}]`);
    output.textContent = charmodels.number(Number(fields[name].value), name === "balance" ? 1 : 2);
  }
  const title = find("#names-examples");
  find(".examples").replaceChildren(
    title,
    ...patterns.map((pattern) => {
      const button = make("button", "", pattern);
      button.type = "button";
      return button;
    }),
  );
}

charmodels.names = {
  asked: () => ({ ...asking, id: latest, language: charmodels.language }),
  checked: () => ({ ...wish(), id: checks, language: charmodels.language }),

  answer(told) {
    if (told?.id !== latest) return;
    if (told.refused) {
      end();
      refuse(told.refused);
      return;
    }
    batch ??= { wish: { ...asking, seed: told.seed }, before: [] };
    const { done, few, next } = told;
    Object.assign(batch, { done, few, next, names: [...batch.before, ...told.names] });
    if (told.done) busy(false);
    draw();
    if (told.done) {
      announce();
      if (!batch.before.length) find(".sheet").scrollIntoView({ block: "nearest" });
    }
  },

  offer(told) {
    if (!told) return;
    const before = menu.value;
    models = charmodels.offer(menu, told);
    if (menu.value !== before) settle();
    relabel();
    drawKept();
  },

  verdict(told) {
    if (told?.id === checks) refuse(told.refused);
  },

  fail() {
    if (!names.classList.contains("busy")) return; // Gradio says so after Stop too
    end();
    refuse({ field: "", text: charmodels.say("chat.failed") });
  },
};

models = charmodels.offer(menu, props.models);
for (const name of ["starts", "ends", "contains", "pattern", "seed"]) {
  Object.assign(fields[name], { maxLength: props.limit, autocomplete: "off", spellcheck: false });
  fields[name].autocapitalize = "off";
}
fields.temperature.max = props.hottest;
for (const name of ["shortest", "longest"]) fields[name].max = props.limit;
const wide = window.matchMedia("(min-width: 861px)").matches;
for (const folded of [".filters", ".legend"]) find(folded).open = wide;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
form.addEventListener("input", (event) => {
  if (event.target !== menu) check();
});
menu.addEventListener("change", () => {
  settle();
  relabel();
  drawKept();
  check();
});
find(".examples").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  fields.pattern.value = button.textContent;
  check();
  fields.pattern.focus();
});
find(".halt").addEventListener("click", halt);
find(".more").addEventListener("click", () => begin(true));
find(".share").addEventListener("click", share);
find(".sheet .copy").addEventListener("click", ({ target }) => {
  copy(target, batch.names.map((each) => each.name).join("\n"), "chat.copied");
});
find(".sheet .csv").addEventListener("click", () => {
  const shared = { seed: batch.wish.seed, settings: settings(batch.wish) };
  save(batch.names.map((each) => ({ ...each, ...shared })));
});
find(".kept .copy").addEventListener("click", ({ target }) => {
  copy(target, favourites.get(menu.value).map((each) => each.name).join("\n"), "chat.copied");
});
find(".kept .csv").addEventListener("click", () => save(favourites.get(menu.value)));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") halt();
});
window.addEventListener("storage", (event) => {
  if (event.key !== KEY && event.key !== null) return; // another tab of this page changed them
  favourites = read();
  marks();
  drawKept();
});
window.addEventListener("charmodels:link", restore);
window.addEventListener("charmodels:language", () => {
  relabel();
  list.replaceChildren();
  find(".spoken").textContent = "";
  draw();
  drawKept();
  check();
});
// Gradio leaves its panel without a name, and this one did not exist when the page was made.
element.closest("[role=tabpanel]").setAttribute("aria-labelledby", "tab-names-button");
settle();
relabel();
drawKept();
restore();
