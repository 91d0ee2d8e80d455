// The page: its language, its screens, who speaks, with which settings; the screens do the rest.
import { readJson, sha256 } from "./engine/files.js";
import { Refusal } from "./engine/refusal.js";
import { ask } from "./host.js";
import { buildInside } from "./inside.js";
import { buildNames } from "./names.js";
import { find, language, link, make, number, put, refill, remember, remembered, say, span, speak, told, whenSpoken } from "./page.js";
import { buildWrite } from "./write.js";

/**
 * @typedef {import("./engine/engine.js").Facts} Facts
 * @typedef {{name: string, title: Record<string, string>, about?: Record<string, string>, facts?: Record<string, [string, string, string][]>, notes?: Record<string, string[]>, kind: "names" | "text", beginnings: string[], units?: {property: string, state: string, index: number, score: number}[]}} Told
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
  const wanted = shown().find((model) => model.name === name) ?? shown()[0];
  page.refuse(null);
  put("loading", say("web.loading", { title: wanted.title[language] }));
  check(wanted.name);
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
    if (checked() !== wanted.name) return;
    page.refuse(error);
    if (speaker) check(speaker.told.name); // who is there still writes
  }
  put("loading", "");
}

const checked = () => /** @type {HTMLInputElement | null} */ (document.querySelector("#models input:checked"))?.value;

/** Models of this screen. */
const shown = () => models.filter((model) => tab !== "names" || model.kind === "names");

/** @param {string} name */
function check(name) {
  for (const radio of find("models").querySelectorAll("input")) {
    radio.checked = radio.value === name;
    if (radio.checked) radio.parentElement.scrollIntoView({ block: "nearest", inline: "center" });
  }
}

/** Open a bundle of the visitor's own; it stays in the browser. @param {File | undefined} file */
async function openOwn(file) {
  if (!file) return;
  page.refuse(null);
  put("loading", say("web.loading", { title: file.name }));
  try {
    const archive = new Uint8Array(await file.arrayBuffer());
    const name = `own-${(await sha256(archive)).slice(0, 12)}`;
    /** @type {Facts} */
    const { kind, title = file.name } = await ask("openOwn", { name, archive });
    models = models.filter((model) => model.name !== name);
    models.unshift({ name, title: { es: title, en: title }, kind, beginnings: [""] });
    if (tab === "names" && kind === "text") show("write");
    drawModels(name);
    await choose(name);
  } catch (error) {
    put("loading", "");
    page.refuse(error);
  }
}

/** @param {string} chosen */
function drawModels(chosen) {
  refill("models", ...shown().map(({ name, title }) => {
      const radio = make("input", { type: "radio", name: "model", value: name });
      radio.onchange = () => void choose(name);
      return make("label", {}, radio, span("", title[language]));
    }),
  );
  check(chosen);
}

/** What is known of the model: figures, and where its data come from. */
function drawCard() {
  if (!speaker) return;
  const { told: { kind, about, facts, notes }, facts: { bytes } } = speaker;
  const figures = facts?.[language] ?? [["size", say("card.size"), say("unit.kb", { number: number(bytes / 1e3) })]];
  const open = find("card").querySelector("details")?.open ?? false;
  refill("card", make("p", "about", about?.[language] ?? say(`about.${kind}`)),
    make("dl", {}, ...figures.map(([name, title, value]) =>
      make("div", name, make("dt", {}, title), make("dd", {}, value)))),
    make("details", { open, hidden: !notes }, make("summary", {}, say("card.more")), ...(notes?.[language] ?? []).map((note) => make("p", {}, note))),
  );
}

/** Say where each dial stands. */
function measure() {
  for (const name of DIALS) {
    const output = /** @type {HTMLElement} */ (document.querySelector(`output[for=${name}]`));
    output.textContent = number(Number(find(name).value), { temperature: 2, balance: 1 }[name] ?? 0);
  }
  put("length", say(`length.${speaker?.facts.kind ?? "names"}`));
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
  const current = checked();
  drawModels(current ?? "");
  if (current && !checked()) void choose("");
  else if (speaker) screens[tab].show?.();
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
  const name = keys.get("model") ?? checked() ?? "";
  return choose(name).then(() => {
    if (keys.has("model") && speaker?.told.name !== name) return page.refuse(new Refusal("names.stranger"));
    page.restore(keys);
    screens[tab].follow?.(keys);
  });
}

async function begin() {
  const [words, listed] = await Promise.all([readJson("words.json"), readJson("models.json")]);
  models = listed;
  screens = { write: buildWrite(page), names: buildNames(page), inside: buildInside(page) };
  whenSpoken(() => {
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
  find("tabs").onkeydown = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = find(`tab-${TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]}`);
    next.click();
    next.focus();
  };
  find("skip").onclick = (/** @type {Event} */ event) => {
    event.preventDefault(); // no link to a screen
    find(tab).querySelector("textarea, [type=text]").focus();
  };
  find("settings").oninput = measure;
  find("own").onchange = () => {
    void openOwn(find("own").files[0]);
    find("own").value = "";
  };
  for (const [kind, over] of Object.entries({ dragover: true, dragleave: false, drop: false }))
    document.addEventListener(kind, (event) => {
      const { dataTransfer } = /** @type {DragEvent} */ (event);
      if (!dataTransfer?.types.includes("Files")) return; // a text goes into a field
      event.preventDefault();
      document.body.classList.toggle("dropping", over);
      if (kind === "drop") void openOwn(dataTransfer.files[0]);
    });
  find("settings").open = matchMedia("(min-width: 861px)").matches;
  window.onhashchange = follow;
  await follow();
  try {
    await navigator.serviceWorker.register("sw.js", { updateViaCache: "none" });
  } catch {
    // a sandboxed frame has none: the page then needs its host each time
  }
}

begin().catch(page.refuse);
