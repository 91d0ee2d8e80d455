// How sure the model was of each letter: colours under a reply, and what there is to know of one.
//
// A reply's `sure` holds two digits a letter, the percent the model gave it; "--" where it chose
// nothing. Tapping a letter, or the arrows and Enter on the figure under the reply, asks the server
// once what else the model expected there; other temperatures are worked out here.
const DOUBTS = [50, 25, 6, 2]; // percent below which a letter gets the next stronger colour
const LIKELIEST = 5;
const SHOWN = "charmodels.confidence";
const SETTLE = 80; // milliseconds the arrows rest before the server is asked

const { make } = charmodels; // chat.js stands in the same scope, and uses it too
const strip = {
  isOn: lastChoice() !== "off",
  chosen: null, // {entry, cell}: the letter pointed at
  number: 0, // of the last question; an answer to an earlier one is stale
  asked: null, // {id, model, before, balance}
  told: null, // the answer
  timer: 0,
};

function lastChoice() {
  try {
    return localStorage.getItem(SHOWN);
  } catch {
    return null; // storage may be forbidden; the switch then lasts for this visit
  }
}

// ---- colours --------------------------------------------------------------------------------

// Fill `place` with `letters`, each coloured by its pair of digits, and with the end of a name if
// there is a pair more. Letters that stand there are kept: a reply only ever grows, or is cut.
function colour(place, letters, pairs) {
  const ends = /\d/.test(pairs[letters.length] ?? "");
  const wanted = letters.length + (ends ? 1 : 0);
  const isEnd = place.lastChild?.classList.contains("end");
  if (isEnd && place.children.length !== letters.length + 1) place.lastChild.remove();
  while (place.children.length > wanted) place.lastChild.remove();
  for (let i = place.children.length; i < wanted; i++) place.append(cellOf(letters[i], pairs[i]));
}

function cellOf(letter, pair) {
  const doubt = DOUBTS.filter((limit) => Number(pair) < limit).length;
  const cell = make("span", `cell doubt-${doubt}`);
  cell.classList.toggle("newline", letter === "\n");
  cell.classList.toggle("end", !letter);
  cell.textContent = letter ?? "";
  cell.dataset.percent = Number(pair);
  return cell;
}

function pairsOf(sure) {
  return sure.match(/../g) ?? [];
}

function cellsOf(entry) {
  return [...entry.reply.querySelectorAll(".cell")];
}

// The figure under a reply: how sure on the whole, or of the letter pointed at.
function figure(entry) {
  const cells = cellsOf(entry);
  const { sure } = entry;
  sure.hidden = !cells.length;
  if (!cells.length) return;
  const at = strip.chosen?.entry === entry ? cells.indexOf(strip.chosen.cell) : -1;
  const mean = cells.reduce((sum, cell) => sum + Number(cell.dataset.percent), 0) / cells.length;
  const letter = cells[at];
  sure.textContent = letter
    ? `${faceOf(letter.textContent).glyph} ${share(Number(letter.dataset.percent) / 100)}`
    : charmodels.say("chat.sure", { share: share(mean / 100) });
  sure.ariaLabel = charmodels.say("chat.sure.label");
  sure.ariaValueMin = 1;
  sure.ariaValueMax = cells.length;
  sure.ariaValueNow = Math.max(1, at + 1);
  sure.ariaValueText = letter
    ? `${faceOf(letter.textContent).spoken}, ${share(Number(letter.dataset.percent) / 100)}`
    : charmodels.say("chat.sure.spoken", { share: share(mean / 100) });
}

// A letter made visible, and as it is read aloud.
function faceOf(letter) {
  const say = charmodels.say;
  if (!letter) return { glyph: say("learn.end"), spoken: say("learn.end.spoken"), word: true };
  if (letter === " ") return { glyph: "␣", spoken: say("learn.space") };
  if (letter === "\n") return { glyph: "↵", spoken: say("learn.newline") };
  if (/\p{M}/u.test(letter)) return { glyph: `◌${letter}`, spoken: letter };
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(letter)) {
    const code = `U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    return { glyph: code, spoken: code, word: true };
  }
  return { glyph: letter, spoken: letter };
}

// A probability as people write it: 31 % in Spanish, 31% in English; near its ends with a tenth.
function share(probability) {
  const percent = 100 * probability;
  const tenth = percent < 9.95 || (percent > 99 && percent < 99.95);
  const written = percent > 0 && percent < 0.05 ? "<0.1" : percent.toFixed(tenth ? 1 : 0);
  return `${written.replace(/\.0$/, "")}${charmodels.language === "es" ? "\u00a0" : ""}%`;
}

// ---- one letter -----------------------------------------------------------------------------

const panel = make("section", "place");
panel.id = "place-panel";
panel.hidden = true;
const where = make("p", "where");
const dial = make("div", "dial");
const dialLabel = make("label");
const warmth = make("input");
Object.assign(warmth, { type: "range", min: 0, max: 2, step: 0.05, id: "place-temperature" });
dialLabel.htmlFor = warmth.id;
const drawnAt = make("span", "drawn-at");
dial.append(dialLabel, warmth, drawnAt);
const choices = make("div", "voices");
const close = make("button", "close");
close.type = "button";
const spoken = make("p", "unseen");
spoken.setAttribute("aria-live", "polite");
panel.append(where, close, dial, choices, spoken);

function point(entry, cell, open) {
  strip.chosen?.cell.classList.remove("chosen");
  const before = strip.chosen?.entry;
  strip.chosen = cell ? { entry, cell } : null;
  cell?.classList.add("chosen");
  if (before && before !== entry) figure(before);
  if (entry) figure(entry);
  if (!open && panel.hidden) return;
  clearTimeout(strip.timer);
  strip.timer = setTimeout(ask, open ? 0 : SETTLE);
}

// What stands before the letter pointed at: all that the model had read.
function beforeOf({ entry, cell }) {
  const row = entry.asNames ? cell.closest("li") : entry.reply;
  const cells = [...row.querySelectorAll(".cell")];
  const own = cells.slice(0, cells.indexOf(cell)).map((each) => each.textContent);
  return saidBefore(entry) + entry.turn.message + own.join("");
}

function ask() {
  if (!strip.chosen) return;
  const { turn } = strip.chosen.entry;
  strip.number += 1;
  strip.asked = {
    id: strip.number,
    model: turn.name,
    before: beforeOf(strip.chosen),
    balance: turn.settings.balance,
    language: charmodels.language,
  };
  trigger("place");
}

function placed(answer) {
  if (!answer || answer.id !== strip.number || !strip.chosen) return;
  if (panel.hidden) warmth.value = 1; // what the colours show
  strip.told = answer;
  panel.hidden = false;
  drawPlace();
  for (const seen of [panel, strip.chosen.cell]) seen.scrollIntoView({ block: "nearest" });
  const first = answer.voices[0] ? shares(answer.voices[0]).slice(0, 3) : [];
  spoken.textContent = answer.refused || charmodels.say("learn.spoken", { options: listed(first) });
}

function shut() {
  clearTimeout(strip.timer);
  strip.number += 1; // an answer on its way is stale
  panel.hidden = true;
  const { chosen } = strip;
  point(null, null);
  if (chosen) figure(chosen.entry);
}

// Probabilities at the temperature of the dial, the likeliest first: [letter, probability].
function shares({ options, others }) {
  const temperature = Number(warmth.value);
  if (!temperature) return options.map(([letter], i) => [letter, i ? 0 : 1]);
  const power = ([letter, p]) => [letter, p ** (1 / temperature)];
  const weights = options.map(power);
  const rest = Math.max(0, 1 - options.reduce((sum, [, p]) => sum + p, 0));
  const left = others ? others * (rest / others) ** (1 / temperature) : 0; // as if all were equal
  const total = weights.reduce((sum, [, w]) => sum + w, left);
  return weights.map(([letter, w]) => [letter, w / total]);
}

function listed(options) {
  return options.map(([letter, p]) => `${faceOf(letter).spoken} ${share(p)}`).join(", ");
}

function drawPlace() {
  const { chosen, asked, told } = strip;
  if (!chosen || !told) return;
  panel.ariaLabel = charmodels.say("chat.place");
  close.textContent = charmodels.say("chat.place.close");
  const letter = chosen.cell.textContent;
  const tail = [...asked.before].slice(-18);
  const mark = make("b", "given");
  mark.textContent = faceOf(letter).glyph;
  const dots = asked.before.length > tail.length ? "…" : "";
  where.replaceChildren(dots + tail.join("").replaceAll("\n", "↵"), mark);
  dial.hidden = Boolean(told.refused);
  if (told.refused) {
    choices.textContent = told.refused;
    return;
  }
  const value = charmodels.number(Number(warmth.value), 2);
  dialLabel.textContent = charmodels.say("chat.temperature", { value });
  drawnAt.textContent = charmodels.say("chat.place.drawn", {
    value: charmodels.number(chosen.entry.turn.settings.temperature, 2),
  });
  const lists = told.voices.map((voice) => [voice.name, shares(voice)]);
  warmth.ariaValueText = `${value}: ${listed(lists[0][1].slice(0, 3))}`;
  choices.replaceChildren(...lists.map(([name, options]) => voiceOf(name, options, letter)));
}

// The likeliest letters of one of those who write, and the one that was written if it is none.
function voiceOf(name, options, written) {
  const made = make("div", `voice ${name}`);
  const title = make("h3");
  title.id = `voice-${name}`;
  title.textContent = charmodels.say(`chat.voice.${name}`);
  const list = make("ol");
  list.setAttribute("aria-labelledby", title.id);
  const best = options.slice(0, LIKELIEST);
  const also = options.slice(LIKELIEST).filter(([letter]) => letter === written);
  for (const [letter, probability] of [...best, ...also]) {
    const face = faceOf(letter);
    const item = make("li", letter === written ? "this" : "");
    const glyph = make("span", face.word ? "glyph word" : "glyph");
    glyph.textContent = face.glyph;
    glyph.ariaHidden = "true";
    const aloud = make("span", "unseen");
    aloud.textContent = `${face.spoken}, `;
    const bar = make("span", "bar");
    bar.style.setProperty("--share", probability);
    const percent = make("span", "percent");
    percent.textContent = share(probability);
    item.append(glyph, aloud, bar, percent);
    list.append(item);
  }
  list.children[LIKELIEST]?.classList.add("far");
  made.append(title, list);
  return made;
}

// ---- by hand --------------------------------------------------------------------------------

function steer(event, entry) {
  const cells = cellsOf(entry);
  const at = strip.chosen?.entry === entry ? cells.indexOf(strip.chosen.cell) : -1;
  const moves = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at - 1,
    PageDown: at + 10,
    PageUp: at - 10,
    Home: 0,
    End: cells.length - 1,
  };
  if (event.key in moves) {
    const to = Math.min(cells.length - 1, Math.max(0, moves[event.key]));
    point(entry, cells[to], false);
    cells[to].scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" || event.key === " ") {
    if (panel.hidden || at < 0) point(entry, cells[Math.max(0, at)], true);
    else shut();
  } else if (event.key === "Escape" && !panel.hidden) {
    shut();
  } else {
    return;
  }
  event.preventDefault();
}

warmth.addEventListener("input", drawPlace);
close.addEventListener("click", () => {
  const back = strip.chosen?.entry.sure;
  shut();
  back?.focus({ preventScroll: true });
});
panel.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close.click();
});
