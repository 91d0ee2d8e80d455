// Train on my list. `props.value` is the server's answer about a list {id, refused, read}; a
// training's standing comes through charmodels.train.progress, its bundle through .parcel.
// Refusals come in every language. A visitor's and a model's text is put in as text, never as markup.
const PAUSE = 500; // milliseconds without a key before the list is sent to be read
const MOST = 2 ** 20; // bytes of a list
const SHOWN = 2000; // characters of a chosen file that the box shows
const FEW = 200; // names below which a model mostly repeats them
const SVG = "http://www.w3.org/2000/svg";

const root = element.querySelector(".train");
const find = (selector) => root.querySelector(selector);
const box = find("#train-list");
const file = find("#train-file");
const title = find("#train-name");
const lowercase = find("#train-lowercase");
const without = find("#train-private");
const { make, say } = charmodels;

let bytes = null; // of a chosen file; null when the box is the list
let called = ""; // the file's name
let kind = null; // the visitor's choice; null leaves it to the reader
let minutes = props.minutes[0];
let latest = 0; // the number of the last reading asked for
let read = null; // what was read, and is still in the box
let refused = null; // the last refusal, in every language
let job = null; // the training: as the server told it last
let asking; // a timer

function number(value, places = 0) {
  return charmodels.number(value, places);
}

// ---- the list -----------------------------------------------------------------------------------

function packed() {
  const all = bytes ?? new TextEncoder().encode(box.value);
  if (all.length > MOST) return "x".repeat(1.5 * MOST); // refused by the server, in its words
  let text = "";
  for (let at = 0; at < all.length; at += 0x8000) {
    text += String.fromCharCode(...all.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

function ask(pause = 0) {
  latest += 1;
  read = refused = null;
  clearTimeout(asking);
  if (bytes || box.value.trim()) asking = setTimeout(() => trigger("read"), pause);
  draw();
}

async function choose(chosen) {
  if (!chosen) return;
  called = chosen.name;
  const some = chosen.slice(0, MOST + 1); // one more than fits is enough to be refused
  bytes = new Uint8Array(await some.arrayBuffer());
  const start = new TextDecoder().decode(bytes.subarray(0, 4 * SHOWN)).slice(0, SHOWN);
  box.value = start.replaceAll("\0", "");
  box.readOnly = true;
  if (!title.dataset.own) title.value = called.replace(/\.[^.]*$/, "").slice(0, 40);
  kind = null;
  ask();
}

function empty() {
  bytes = kind = null;
  called = file.value = box.value = "";
  box.readOnly = false;
  if (!title.dataset.own) title.value = say("train.name.default");
  ask();
  box.focus();
}

// ---- what was read ------------------------------------------------------------------------------

function fact(place, name, value, help = "") {
  const row = make("div");
  row.append(make("dt", "", name), make("dd", "", value));
  if (help) row.append(make("dd", "help", help));
  place.append(row);
}

function letter(character) {
  if (character === " ") return "␣";
  if (character === "\n") return "⏎";
  if (character === "\t") return "⇥";
  return character;
}

function drawRead() {
  find(".read").hidden = !read || Boolean(job);
  if (!read) return;
  const names = read.kind === "names";
  const facts = find(".read .facts");
  facts.replaceChildren();
  if (names) fact(facts, say("train.records"), number(read.records));
  fact(facts, say("train.characters"), number(read.characters));
  fact(facts, say("train.letters"), number(read.letters));
  fact(facts, say("train.held"), number(read.held));
  for (const input of root.querySelectorAll("[name=train-kind]")) {
    input.checked = input.value === read.kind;
  }
  const warning = find(".read .warning");
  const few = names && read.records < FEW;
  warning.hidden = read.split && !few;
  warning.textContent = say(read.split ? "train.few" : "train.small");
  find(".of-examples").textContent = say(names ? "train.examples.names" : "train.examples.text");
  find(".examples").classList.toggle("text", !names);
  find(".examples").replaceChildren(...read.examples.map((text) => make("li", "", text)));
  find(".of-letters").textContent = say("train.alphabet", { count: number(read.letters) });
  const more = read.letters > read.alphabet.length ? " …" : "";
  find(".read .letters").textContent = read.alphabet.map(letter).join(" ") + more;
  const left = [];
  if (read.encoding !== "utf-8") left.push(say("train.encoding", { encoding: read.encoding }));
  if (read.table) {
    left.push(read.column ? say("train.table", { column: read.column }) : say("train.table.plain"));
  }
  if (read.dropped.length) left.push(say("train.columns", { columns: read.dropped.join(", ") }));
  const tallies = { merged: "train.merged", blank: "train.blank" };
  Object.assign(tallies, { uncounted: "train.uncounted", composed: "train.composed" });
  for (const [name, key] of Object.entries(tallies)) {
    if (read[name]) left.push(say(key, { count: number(read[name]) }));
  }
  if (!left.length) left.push(say("train.none"));
  find(".dropped").replaceChildren(...left.map((text) => make("li", "", text)));
}

// ---- the training -------------------------------------------------------------------------------

const OVER = ["done", "failed", "cancelled"];
const bits = (nats) => nats / Math.LN2;

function goes() {
  return Boolean(job) && !OVER.includes(job.phase);
}

function shape(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

// The curve, redrawn from its points: bits upwards, the share of the steps to the right.
function drawCurve() {
  const svg = find(".curve svg");
  const { points, held, steps, ngram } = job;
  const values = [...points, ...held].map(([, nats]) => bits(nats));
  if (ngram) values.push(bits(ngram));
  find(".curve").hidden = !values.length;
  find(".legend .of-held").hidden = !held.length;
  find(".legend .of-ngram").hidden = !ngram;
  if (!values.length) return;
  const [low, high] = [Math.floor(2 * Math.min(...values)) / 2, Math.ceil(2 * Math.max(...values)) / 2];
  const x = (step) => 40 + (590 * step) / steps;
  const y = (value) => 244 - (232 * (value - low)) / Math.max(0.5, high - low);
  const line = (list) => list.map(([step, nats]) => `${x(step).toFixed(1)},${y(bits(nats)).toFixed(1)}`).join(" ");
  const parts = [];
  const apart = high - low > 3 ? 1 : 0.5;
  for (let value = low; value <= high; value += apart) {
    parts.push(shape("line", { class: "grid", x1: 40, x2: 630, y1: y(value), y2: y(value) }));
    parts.push(shape("text", { x: 32, y: y(value) + 4 }, number(value, 1)));
  }
  if (ngram) {
    const at = y(bits(ngram));
    parts.push(shape("line", { class: "of-ngram", x1: 40, x2: 630, y1: at, y2: at }));
  }
  parts.push(shape("polyline", { class: "of-train", points: line(points) }));
  parts.push(shape("polyline", { class: "of-held", points: line(held) }));
  for (const [step, nats] of held) {
    parts.push(shape("circle", { class: "of-held", cx: x(step), cy: y(bits(nats)), r: 3.2 }));
  }
  svg.replaceChildren(...parts);
  const last = (list) => (list.length ? number(bits(list.at(-1)[1]), 2) : "–");
  svg.setAttribute(
    "aria-label",
    say("train.curve.spoken", { train: last(points), held: last(held) }),
  );
}

function drawResult() {
  const done = job.phase === "done";
  find(".result").hidden = !done && !OVER.includes(job.phase);
  const facts = find(".result .facts");
  facts.replaceChildren();
  const { figures, proof, made } = job;
  find(".result .warning").hidden = !done || figures.bits_per_char !== undefined;
  const percent = (share) => `${number(100 * share)}${charmodels.language === "es" ? "\u00a0%" : "%"}`;
  if (done) {
    if (figures.bits_per_char !== undefined) {
      fact(facts, say("train.bits"), number(figures.bits_per_char, 2), say("train.bits.help"));
    }
    if (figures.novel_share !== undefined) {
      fact(facts, say("train.novel"), percent(figures.novel_share), say("train.novel.help"));
    }
    if (figures.spelled_share !== undefined) {
      fact(facts, say("train.spelled"), percent(figures.spelled_share), say("train.spelled.help"));
    }
    fact(facts, say("train.parameters"), number(figures.parameters));
  }
  for (const name of [".write", ".download"]) find(name).hidden = !done;
  const size = made ? `${number(made.bytes / 1e6, 1)} MB` : "";
  find(".download").textContent = say("train.download", { size });
  find(".proof").hidden = find(".result details").hidden = !done || !proof.lines;
  if (done && proof.lines) {
    const { worst, tolerance } = proof;
    find(".proof").textContent = say("train.proof", { worst, tolerance });
    find(".result pre").textContent = proof.lines.join("\n");
  }
}

function drawRun() {
  find(".run").hidden = !job;
  if (!job) return;
  const { phase, place, left, points, steps, made, samples } = job;
  const told = say(`train.phase.${phase}`, { place, name: made?.name ?? "" });
  if (find(".phase strong").textContent !== told) {
    find(".phase strong").textContent = told;
    find(".status").textContent = told; // a screen reader hears the phases, and nothing between
  }
  const some = left === null || left === undefined ? null : Math.max(5, 5 * Math.round(left / 5));
  find(".phase .left").textContent = some === null ? "" : say("train.left", { seconds: some });
  find(".cancel").hidden = !goes();
  const bar = find("progress");
  bar.hidden = !goes();
  bar.ariaLabel = told;
  if (phase === "train" && steps && points.length) bar.value = points.at(-1)[0] / steps;
  else if (phase === "train" || phase === "wait") bar.removeAttribute("value");
  else bar.value = ["start", "plan"].includes(phase) ? 0 : 1;
  drawCurve();
  drawResult();
  const texts = samples.length ? samples : goes() ? [say("train.samples.none")] : [];
  find(".samples").classList.toggle("none", !samples.length);
  find(".samples").classList.toggle("text", job.kind === "text");
  find(".samples").replaceChildren(...texts.map((text) => make("li", "", text)));
  find(".of-samples").textContent = say(phase === "done" ? "train.samples.done" : "train.samples");
  find(".of-samples").hidden = !texts.length;
}

// ---- the whole tab ------------------------------------------------------------------------------

function draw() {
  const reading = !read && !refused && (bytes || box.value.trim()) && !job;
  find(".invite").hidden = Boolean(read || refused || job || reading);
  if (!job) find(".status").textContent = reading ? say("train.reading") : "";
  find(".status").classList.toggle("unseen", Boolean(job));
  const told = refused ?? (job?.phase === "failed" ? job.refused : null);
  find(".refused").hidden = !told;
  find(".refused").textContent = told ? told[charmodels.language] : "";
  find(".chosen").hidden = !bytes;
  const kilobytes = number((bytes?.length ?? 0) / 1000);
  find(".chosen span").textContent = say("train.file.chosen", { file: called, kilobytes });
  root.classList.toggle("busy", Boolean(job));
  for (const input of [box, file, title, lowercase, without]) input.disabled = goes();
  find(".empty").disabled = goes();
  drawRead();
  drawRun();
}

function relabel() {
  for (const place of root.querySelectorAll("[data-say]")) {
    place.textContent = say(place.dataset.say);
  }
  box.placeholder = say("train.list.empty");
  if (!title.dataset.own && !bytes) title.value = say("train.name.default");
  for (const label of root.querySelectorAll(".minutes label span")) {
    label.textContent = say("train.minutes.some", { minutes: number(+label.dataset.minutes) });
  }
  for (const label of root.querySelectorAll(".kind label span")) {
    label.textContent = say(label.dataset.kind === "text" ? "train.kind.text" : "train.kind.names");
  }
  draw();
}

function option(place, group, value, data, chosen, change) {
  const label = make("label");
  const input = make("input");
  Object.assign(input, { type: "radio", name: group, value, checked: chosen });
  input.addEventListener("change", change);
  const words = make("span");
  words.dataset[data] = value;
  label.append(input, words);
  find(place).append(label);
}

function fail() {
  const told = window.charmodelsWords["train.failed"];
  if (goes()) job = { ...job, phase: "failed", refused: told };
  else if (!job) refused = told;
  draw();
}

function save(name, text) {
  const letters = atob(text);
  const data = Uint8Array.from(letters, (each) => each.charCodeAt(0));
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([data], { type: "application/zip" }));
  link.download = `${name}.zip`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

charmodels.train = {
  asked: () => ({
    id: latest,
    data: packed(),
    file: called,
    name: title.value,
    kind,
    lowercase: lowercase.checked,
    private: without.checked,
    minutes,
  }),

  job: () => job?.id ?? "",

  progress(told) {
    if (!told || !job) return;
    job = { ...job, ...told };
    draw();
  },

  parcel(told) {
    if (!told) return;
    refused = told.refused ?? null;
    if (told.zip) save(told.name, told.zip);
    draw();
  },

  fail,
};

for (const value of ["names", "text"]) {
  option(".kind", "train-kind", value, "kind", false, () => {
    kind = value;
    ask();
  });
}
for (const value of props.minutes) {
  option(".minutes", "train-minutes", value, "minutes", value === minutes, () => {
    minutes = value;
  });
}
box.addEventListener("input", () => ask(PAUSE));
file.addEventListener("change", () => choose(file.files[0]));
box.addEventListener("dragover", (event) => event.preventDefault());
box.addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length || box.disabled) return;
  event.preventDefault();
  choose(event.dataTransfer.files[0]);
});
title.addEventListener("input", () => (title.dataset.own = title.value ? "yes" : ""));
lowercase.addEventListener("change", () => ask());
find(".empty").addEventListener("click", empty);
find(".start").addEventListener("click", () => {
  job = { id: "", phase: "start", kind: read.kind, points: [], held: [], samples: [], figures: {} };
  Object.assign(job, { proof: {}, steps: 0, place: 0, left: null, made: null, ngram: null });
  trigger("start");
  draw();
  find(".cancel").focus();
});
find(".cancel").addEventListener("click", () => trigger("cancel"));
find(".write").addEventListener("click", () => charmodels.write(job.made.name));
find(".download").addEventListener("click", () => trigger("fetch"));
find(".again").addEventListener("click", () => {
  job = null;
  ask();
  box.focus();
});
watch("value", () => {
  const answer = props.value;
  if (answer?.id !== latest) return;
  ({ read, refused } = answer);
  draw();
});
window.addEventListener("charmodels:language", relabel);
// Gradio leaves its panel without a name, and this one did not exist when the page was made.
element.closest("[role=tabpanel]").setAttribute("aria-labelledby", "tab-train-button");
relabel();
