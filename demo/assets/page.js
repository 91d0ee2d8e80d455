// What the whole page shares: its language, its words, and whether a reply is being written.
window.charmodels = (() => {
  const KEY = "charmodels.language";
  const LONGEST = 10_000; // letters of an address that are read; a full beginning takes 6,000
  const root = document.documentElement;
  const words = window.charmodelsWords;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden; the switch then lasts for this visit
    }
  };

  // The visitor's choice, else the browser's first language that we speak, else English.
  const preferred = () => {
    const tags = [remembered() ?? "", ...(navigator.languages ?? [navigator.language])];
    const known = { es: "es", ca: "es", gl: "es", eu: "es", en: "en" };
    return tags.map((tag) => known[tag.slice(0, 2).toLowerCase()]).find(Boolean) ?? "en";
  };

  const page = {
    language: preferred(),
    kind: "names",
    picked: "",
    link: { tab: "", settings: {} }, // what the address asks for, #tab?key=value&...
    view: null, // chat.js puts its own here
    names: null, // and names.js
    learn: null, // and learn.js
    train: null, // and train.js

    say(key, values = {}) {
      const sentence = words[key][page.language];
      return sentence.replace(/\{(\w+)\}/g, (blank, name) => values[name] ?? blank);
    },

    // As demo.words writes numbers: thousands apart by a narrow space or a comma.
    number(value, places = 0) {
      const apart = page.language === "es" ? "\u202f" : ",";
      const [whole, rest] = value.toFixed(places).split(".");
      const grouped = whole.replace(/\B(?=(\d{3})+$)/g, apart);
      return rest ? `${grouped}.${rest}` : grouped;
    },

    setLanguage(language) {
      page.language = language;
      root.lang = language;
      document.title = page.say("title");
      window.dispatchEvent(new Event("charmodels:language"));
    },

    setKind(kind) {
      page.kind = kind;
      window.dispatchEvent(new Event("charmodels:kind"));
    },

    load([, ...others]) {
      return [preferred(), ...others];
    },

    speak([language, ...others]) {
      try {
        localStorage.setItem(KEY, language);
      } catch {
        // as above
      }
      page.setLanguage(language);
      return [language, ...others];
    },

    // The server's words are in place: show the page, and name for screen readers what Gradio
    // leaves unnamed or names in English.
    ready() {
      page.setLanguage(page.language);
      const isFirst = !root.classList.contains("ready");
      root.classList.add("ready");
      if (isFirst) page.follow();
      document.getElementById("tab-write").setAttribute("aria-labelledby", "tab-write-button");
      for (const group of document.querySelectorAll("#model, #language")) {
        const label = group.querySelector("[data-testid=block-info]");
        group.setAttribute("aria-label", label.textContent.trim());
        for (const radio of group.querySelectorAll("input")) radio.name = group.id;
      }
      for (const slider of document.querySelectorAll("#settings .block")) {
        const label = slider.querySelector("[data-testid=block-info]")?.textContent.trim();
        for (const input of slider.querySelectorAll("input")) input.ariaLabel = label;
      }
      document.querySelector("#settings .icon")?.setAttribute("aria-hidden", "true");
    },

    // The tab of this name, if there is one.
    open(name) {
      document.getElementById(`tab-${name}-button`)?.click();
    },

    // Write, with this model.
    write(name) {
      page.open("write");
      document.querySelector(`#model input[value="${CSS.escape(name)}"]`)?.click();
    },

    // Open what the address names, and tell its tab of the settings.
    follow() {
      const { hash } = location;
      const [tab, ...rest] = hash.slice(1, LONGEST).split("?");
      const settings = Object.fromEntries(new URLSearchParams(rest.join("?")));
      page.link = { tab, settings };
      page.open(tab);
      if (!rest.length) return;
      history.replaceState(null, "", hash); // to open a tab has shortened it
      window.dispatchEvent(new Event("charmodels:link"));
    },

    // A link's settings stand on the page: `told.ready` says that they are those of a reply.
    restored(told) {
      if (told?.ready) document.getElementById("send").click();
    },

    // Another tab, with something to show there.
    visit(tab, values) {
      location.hash = `${tab}?${new URLSearchParams(values)}`;
    },

    setWriting(writing) {
      root.classList.toggle("writing", writing);
    },

    begin(values, again = false) {
      page.view?.begin(values[2], again);
      return values;
    },

    end() {
      page.view?.end();
    },

    fail() {
      page.view?.fail();
      page.view?.end(); // a request that was refused outright has no other end
    },

    stop() {
      page.view?.stop();
    },

    // As demo.look writes a probability: 31 % in Spanish, 31% in English; under 10 with a tenth.
    percent(share) {
      const number = 100 * share;
      const written = number < 0.05 ? "<0.1" : number.toFixed(number >= 9.95 ? 0 : 1);
      return `${written}${page.language === "es" ? "\u00a0" : ""}%`;
    },

    async copy(text) {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = document.createElement("textarea"); // without https there is no clipboard
        const before = document.activeElement;
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
        before?.focus();
      }
    },
  };
  // When the server has no time Gradio shows the answer's detail: here in the visitor's language.
  const ask = window.fetch;
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (answer.status !== 429 && answer.status !== 503) return answer;
    const seconds = answer.headers.get("retry-after") ?? "";
    const detail = page.say(answer.status === 429 ? "busy.much" : "busy.full", { seconds });
    return new Response(JSON.stringify({ detail }), { status: 429, headers: answer.headers });
  };
  page.setLanguage(page.language);
  document.addEventListener("click", (event) => {
    if (event.target.closest(".skip")) page.open("write");
    const tab = event.target.closest("[role=tab]")?.dataset.tabId;
    if (tab) history.replaceState(null, "", `#${tab}`); // so that a link can name the tab
  });
  window.addEventListener("hashchange", page.follow);
  return page;
})();
