// Names: ten at a time to a wish, each beside the list its model learned from; those one likes stay.
import { ask } from "./host.js";
import { announce, button, copy, find, language, linkTo, make, number, put, refill, remember, remembered, say, span, whenSpoken } from "./page.js";

/**
 * @typedef {import("./app.js").Speaker} Speaker
 * @typedef {import("./engine/engine.js").Named} Named
 * @typedef {Named & {seed: number, settings: string}} Kept
 */

const TEXTS = ["starts", "ends", "contains", "pattern"];
const NUMBERS = ["shortest", "longest"];
const FILTERS = [...TEXTS, ...NUMBERS];
const LONGEST = 100;
const MOST = 500; // favourites kept of one model

/** @param {import("./app.js").Page} page @returns {import("./app.js").Screen} */
export function buildNames(page) {
  /** @type {Speaker | null} */
  let speaker = null;
  /** @type {Named[]} */
  let names = [];
  let wished = ""; // what the shown names answer, as it stands in a link
  let seed = 0;
  let asking = 0;
  let stop = () => {};
  const model = () => speaker?.facts.name ?? "";

  /** @type {Record<string, HTMLInputElement>} */
  const fields = Object.fromEntries([...FILTERS, "novel"].map((name) => [name, find(`names-${name}`)]));
  const share = find("names-share");
  find("names-more").onclick = () => void wish(true);
  find("names-copy").onclick = () => copy(find("names-copy"), names.map((each) => each.name).join("\n"), "chat.copied");
  find("names-csv").onclick = () => save(names.map(kept));
  find("kept-csv").onclick = () => save(read());
  share.onclick = () => copy(share, linkTo("names", wished), "names.shared");

  // ---- the wish -------------------------------------------------------------------------------

  /** What is asked, as it stands in a link: nothing that is not asked. */
  function asked() {
    const told = new URLSearchParams({ model: model() });
    for (const name of FILTERS) if (fields[name].value) told.set(name, fields[name].value);
    if (fields.novel.checked && !fields.novel.disabled) told.set("novel", "1");
    const { temperature, balance } = page.settings();
    told.set("temperature", String(temperature));
    if (balance) told.set("balance", String(balance));
    return told;
  }

  /** @param {boolean} [again] the next ones of the same seed */
  async function wish(again = false) {
    if (!speaker) return;
    const id = ++asking;
    stop();
    const told = asked();
    const [shortest, longest] = NUMBERS.map((name) => Number(told.get(name) ?? 0));
    const least = shortest || 1;
    const most = longest || LONGEST;
    const length = least > 1 || most < LONGEST ? [least, most] : null;
    const constraint = { ...Object.fromEntries(TEXTS.map((name) => [name, told.get(name) ?? ""])), length, novel: told.has("novel"), judged: true };
    const settings = { ...page.settings(), maxChars: length?.[1], ...(again ? { seed } : {}) };
    const before = again ? names : [];
    page.refuse(null);
    mark();
    find("names").ariaBusy = "true";
    try {
      const tell = (/** @type {Named[]} */ found) => {
        if (id === asking) draw([...before, ...found]);
      };
      const asking_ = { name: speaker.facts.name, constraint, settings, first: before.length };
      const made_ = ask("names", asking_, tell);
      stop = made_.cancel;
      const made = await made_;
      if (id !== asking) return;
      seed = made.seed;
      told.set("seed", String(seed));
      wished = told.toString();
      draw([...before, ...made.names], "names.none");
      const few = made.names.length < (settings.count ?? 10);
      put("names-note", few ? say("names.few") : say("chat.seed", { seed }));
      announce(judged());
    } catch (/** @type {any} */ error) {
      if (id !== asking) return;
      draw(before);
      mark(error.key?.startsWith("refusal.pattern") ? ["pattern"] : FILTERS);
      page.refuse(error);
    }
    find("names").ariaBusy = "false";
  }

  /** Show which filters ask for what cannot be. @param {string[]} wrong */
  function mark(wrong = []) {
    for (const [name, field] of Object.entries(fields)) field.ariaInvalid = String(wrong.includes(name) && field.value !== "");
  }

  function judged() {
    if (!names.length) return say("names.none");
    const count = (/** @type {string} */ standing) => names.filter((each) => each.standing === standing).length;
    const counts = { count: names.length, new: count("new"), near: count("near"), known: count("known") };
    return say(speaker?.facts.error ? "names.said" : "names.said.unjudged", counts);
  }

  // ---- what came of it ------------------------------------------------------------------------

  /** @param {Named[]} now @param {string} [none] what is said if there are none */
  function draw(now, none = "names.empty") {
    names = now;
    find("names-about").hidden = !names.length;
    refill("names-list", ...names.map((each) => row(each, isKept(each.name), () => toggle(kept(each)))));
    if (!names.length) find("names-list").append(make("li", "empty", span("", say(none))));
    drawKept();
  }

  /** @param {Named} each @param {boolean} liked @param {() => void} tapped */
  function row(each, liked, tapped) {
    const standing = each.standing ? span(`badge ${each.standing}`, say(`names.${each.standing}`)) : "";
    const nats = each.nats === null ? "" : span("nats", say("names.nats", { nats: number(each.nats, 1) }));
    const name = button(each.name, tapped, "name");
    name.ariaPressed = String(liked);
    return make("li", {}, name, standing, nats);
  }

  /** @param {Named} each @returns {Kept} */
  const kept = (each) => ({ ...each, seed, settings: wished });

  // ---- favourites -----------------------------------------------------------------------------

  /** @type {Record<string, Kept[]>} */
  let held = {};
  let lasting = true;

  /** @returns {Kept[]} */
  function read() {
    try {
      held = JSON.parse(remembered("favourites") ?? "null") ?? held;
    } catch {
      // what others left there
    }
    const found = held[model()];
    return Array.isArray(found) ? found.filter((each) => typeof each?.name === "string") : [];
  }

  const isKept = (/** @type {string} */ name) => read().some((each) => each.name === name);

  /** @param {Kept} each */
  function toggle(each) {
    const others = read().filter(({ name }) => name !== each.name);
    const now = others.length < read().length ? others : [...others, each].slice(-MOST);
    held = { ...held, [model()]: now };
    lasting = remember("favourites", JSON.stringify(held));
    draw(names);
  }

  function drawKept() {
    const all = read();
    const title = speaker?.told.title[language] ?? "";
    put("kept-note", [say(all.length ? "names.kept.of" : "names.kept.none", { title }), lasting ? "" : say("names.kept.fleeting")].join(" "));
    refill("kept", ...all.map((each) => {
      const made = row(each, true, () => toggle(each));
      const name = made.querySelector("button");
      if (name) name.ariaLabel = say("names.remove", { name: each.name });
      return made;
    }));
    find("kept-csv").hidden = !all.length;
  }

  // ---- taking them away -----------------------------------------------------------------------

  /** A cell that a spreadsheet would take for a formula is made plain text. @param {unknown} value */
  function cell(value) {
    const text = String(value ?? "");
    const safe = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/.test(text) ? `'${text}` : text;
    return `"${safe.replaceAll('"', '""')}"`;
  }

  /** @param {Kept[]} rows */
  function save(rows) {
      const lines = [["name", "model", "standing", "seed", "settings"], ...rows.map((each) => [each.name, model(), each.standing, each.seed, each.settings])];
    const text = `\ufeff${lines.map((cells) => cells.map(cell).join(",")).join("\r\n")}\r\n`; // the mark says UTF-8
    const href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    make("a", { href, download: `${model()}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  }

  find("names-wish").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void wish();
  };
  const furnish = () => {
    const error = speaker?.facts.error;
    put("names-rate", error
      ? say("names.rate", { known: number(1 / error.known), near: number(1 / error.near) })
      : say("names.unjudged"));
    draw(names);
  };
  whenSpoken(furnish);

  return {
    choose(chosen) {
      speaker = chosen;
      asking += 1;
      stop();
      names = [];
      fields.novel.disabled = !chosen.facts.error;
      furnish();
    },
    follow(told) {
      for (const name of FILTERS) fields[name].value = (told.get(name) ?? "").slice(0, LONGEST);
      fields.novel.checked = told.get("novel") === "1";
      if (told.has("seed") && speaker?.facts.kind === "names") void wish();
    },
  };
}
