// The page: its language, its screens, who speaks, with which settings; the screens do the rest.
import { readJson } from "./engine/files.js";
import { ask } from "./host.js";
import { buildInside } from "./inside.js";
import { buildNames } from "./names.js";
import { find, language, link, make, number, remember, remembered, say, speak, told } from "./page.js";
import { buildWrite } from "./write.js";

/**
 * @typedef {import("./engine/engine.js").Facts} Facts
 * @typedef {{name: string, title: Record<string, string>, about: Record<string, string>, facts: Record<string, [string, string, string][]>, notes?: Record<string, string[]>, kind: "names" | "text", beginnings: string[], units?: {property: string, state: string, index: number, score: number}[]}} Told
 *
 * A model that can be chosen, once it is open.
 * @typedef {{told: Told, facts: Facts}} Speaker
 *
 * What a screen is given: it is shown who speaks, and may ask for settings.
 * @typedef {{settings: () => import("./engine/model.js").Settings, restore: (asked: URLSearchParams) => void, refuse: (error: unknown) => void}} Page
 * @typedef {{choose: (speaker: Speaker) => void, show?: () => void, follow?: (asked: URLSearchParams) => void}} Screen
 */

const DIALS = ["temperature", "balance", "max_chars", "count"];
const LONGEST = { names: 100, text: 2000 };
const TABS = ["write", "names", "inside"];

/** @type {Told[]} */
let models = [];
/** @type {Speaker | null} */
let speaker = null;
/** @type {Record<string, Screen>} */
let screens = {};
let tab = "write";

/** @type {Page} */
const page = {
  settings() {
    const seed = find("seed").value.trim();
    return {
      temperature: Number(find("temperature").value),
      balance: speaker?.facts.hasNgram ? Number(find("balance").value) : 0,
      maxChars: Number(find("max_chars").value),
      count: Number(find("count").value),
      seed: seed === "" ? undefined : /^\d+$/.test(seed) ? Number(seed) : NaN,
    };
  },

  restore(asked) {
    for (const name of [...DIALS, "seed"]) if (asked.has(name)) find(name).value = asked.get(name);
    measure();
  },

  refuse(error) {
    const place = find("refused");
    place.hidden = !error;
    place.textContent = error ? told(error) : "";
  },
};

// ---- who speaks -------------------------------------------------------------------------------

/** Open a model and show who it is. @param {string} name */
async function choose(name) {
  const wanted = models.find((model) => model.name === name) ?? models[0];
  page.refuse(null);
  find("loading").textContent = say("web.loading", { title: wanted.title[language] });
  drawModels(wanted.name);
  try {
    /** @type {Facts} */
    const facts = await ask("open", { name: wanted.name });
    if (checked() !== wanted.name) return; // another was chosen meanwhile
    speaker = { told: wanted, facts };
    const { kind, temperature, maxChars, hasNgram } = facts;
    find("temperature").value = Math.min(temperature, 2);
    find("balance").value = 0;
    find("max_chars").max = LONGEST[kind];
    find("max_chars").value = Math.min(maxChars, LONGEST[kind]);
    find("balance").parentElement.hidden = !hasNgram;
    find("count").parentElement.hidden = kind === "text";
    measure();
    drawCard();
    for (const screen of Object.values(screens)) screen.choose(speaker);
    document.documentElement.classList.add("ready");
  } catch (error) {
    page.refuse(error);
  } finally {
    if (checked() === wanted.name) find("loading").textContent = "";
  }
}

function checked() {
  return /** @type {HTMLInputElement | null} */ (document.querySelector("#models input:checked"))?.value;
}

/** Open a bundle of the visitor's own; it stays in the browser. @param {File | undefined} file */
async function openOwn(file) {
  if (!file) return;
  page.refuse(null);
  const name = `own-${models.length}`;
  find("loading").textContent = say("web.loading", { title: file.name });
  try {
    const archive = new Uint8Array(await file.arrayBuffer());
    /** @type {Facts} */
    const { kind, bytes, title = file.name } = await ask("openOwn", { name, archive });
    const size = () => [["size", say("card.size"), say("unit.kb", { number: number(bytes / 1e3) })]];
    const about = /** @type {any} */ ({ get es() { return say(`about.${kind}`); }, get en() { return this.es; } });
    const facts_ = /** @type {any} */ ({ get es() { return size(); }, get en() { return size(); } });
    models.unshift({ name, title: { es: title, en: title }, about, facts: facts_, kind, beginnings: [""] });
    if (tab === "names" && kind === "text") show("write");
    await choose(name);
  } catch (error) {
    find("loading").textContent = "";
    page.refuse(error);
  }
}

/** @param {string} chosen */
function drawModels(chosen) {
  const shown = models.filter((model) => tab !== "names" || model.kind === "names");
  find("models").ariaLabel = say("model");
  find("models").replaceChildren(
    ...shown.map(({ name, title }) => {
      const radio = make("input", { type: "radio", name: "model", value: name, checked: name === chosen });
      radio.onchange = () => void choose(name);
      return make("label", {}, radio, make("span", {}, title[language]));
    }),
  );
  find("models").querySelector(":checked")?.parentElement.scrollIntoView({ block: "nearest", inline: "center" });
}

/** What is known of the model: figures, and where its data come from. */
function drawCard() {
  if (!speaker) return;
  const { about, facts, notes } = speaker.told;
  const open = find("card").querySelector("details")?.open ?? false;
  find("card").replaceChildren(
    make("p", { className: "about" }, about[language]),
    make("dl", {}, ...facts[language].map(([name, title, value]) =>
      make("div", { className: name }, make("dt", {}, title), make("dd", {}, value)))),
    make("details", { open, hidden: !notes }, make("summary", {}, say("card.more")), ...(notes?.[language] ?? []).map((note) => make("p", {}, note))),
  );
}

/** Say where each dial stands. */
function measure() {
  for (const name of DIALS) {
    const output = /** @type {HTMLElement} */ (document.querySelector(`output[for=${name}]`));
    output.textContent = number(Number(find(name).value), { temperature: 2, balance: 1 }[name] ?? 0);
  }
  find("length").textContent = say(`length.${speaker?.facts.kind ?? "names"}`);
  find("seed").placeholder = say("seed.empty");
}

// ---- screens and language ---------------------------------------------------------------------

/** @param {string} name */
function show(name) {
  tab = TABS.includes(name) ? name : "write";
  for (const each of TABS) {
    find(each).hidden = each !== tab;
    find(`tab-${each}`).ariaSelected = String(each === tab);
    find(`tab-${each}`).tabIndex = each === tab ? 0 : -1;
  }
  document.documentElement.dataset.tab = tab;
  const names = models.filter((model) => model.kind === "names");
  const current = checked();
  if (tab === "names" && names.length && !names.some((model) => model.name === current)) void choose(names[0].name);
  else if (current) {
    drawModels(current);
    if (speaker) screens[tab].show?.();
  }
}

/** The visitor's choice, else the browser's first language that we speak, else English. */
function preferred() {
  /** @type {Record<string, import("./page.js").Language>} */
  const known = { es: "es", ca: "es", gl: "es", eu: "es", en: "en" };
  const tags = [remembered("language") ?? "", ...navigator.languages];
  return tags.map((each) => known[each.slice(0, 2).toLowerCase()]).find(Boolean) ?? "en";
}

function follow() {
  const { tab: asked, asked: keys } = link();
  show(asked);
  return choose(keys.get("model") ?? checked() ?? "").then(() => {
    page.restore(keys);
    screens[tab].follow?.(keys);
  });
}

async function begin() {
  const [words, listed] = await Promise.all([readJson("words.json"), readJson("models.json")]);
  models = listed;
  screens = { write: buildWrite(page), names: buildNames(page), inside: buildInside(page) };
  window.addEventListener("spoken", () => {
    find("language").ariaLabel = say("language");
    drawModels(checked() ?? models[0].name);
    drawCard();
    measure();
  });
  for (const radio of find("language").querySelectorAll("input")) {
    radio.checked = radio.value === preferred();
    radio.onchange = () => {
      remember("language", radio.value);
      speak(words, radio.value);
    };
  }
  speak(words, preferred());
  for (const each of TABS)
    find(`tab-${each}`).onclick = () => {
      history.replaceState(null, "", `#${each}`);
      show(each);
    };
  document.querySelector("[role=tablist]")?.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[/** @type {KeyboardEvent} */ (event).key];
    if (!step) return;
    const next = find(`tab-${TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]}`);
    next.click();
    next.focus();
  });
  find("settings").addEventListener("input", measure);
  find("own").onchange = () => {
    void openOwn(find("own").files[0]);
    find("own").value = "";
  };
  for (const [kind, over] of Object.entries({ dragover: true, dragleave: false, drop: false }))
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", over);
      if (kind === "drop") void openOwn(/** @type {DragEvent} */ (event).dataTransfer?.files[0]);
    });
  find("settings").open = matchMedia("(min-width: 861px)").matches;
  window.addEventListener("hashchange", follow);
  await follow();
  try {
    await navigator.serviceWorker.register("sw.js");
  } catch {
    // a sandboxed frame has none: the page then needs its host each time
  }
}

begin().catch(page.refuse);
