// Write: type a beginning, watch the reply grow; each letter coloured by how sure the model was.
import { ask } from "./host.js";
import { announce, bars, button, copy, face, find, language, linkTo, make, number, percent, put, refill, say, span, whenSpoken } from "./page.js";

/**
 * @typedef {import("./app.js").Page} Page
 * @typedef {import("./app.js").Screen} Screen
 * @typedef {import("./app.js").Speaker} Speaker
 *
 * @typedef {object} Turn
 * @property {Speaker} speaker
 * @property {string} said what the model had said before in this chat
 * @property {string} message
 * @property {string[]} names of a names model
 * @property {string} text of a text model
 * @property {number[]} nats of each character of `text`
 * @property {import("./engine/model.js").Settings} settings
 * @property {boolean} stopped
 * @property {number} pointed the letter that is explained
 * @property {HTMLElement} root
 * @property {HTMLElement} own where its letters stand
 */

const DOUBTS = [1, 2, 4, 6]; // bits from which a letter gets the next stronger colour
const LIKELIEST = 5;

/** @param {Turn} turn */
const isText = ({ speaker }) => speaker.facts.kind === "text";

/** @param {Page} page @returns {Screen} */
export function buildWrite(page) {
  /** @type {Turn[]} */
  let turns = [];
  /** @type {Speaker | null} */
  let speaker = null;
  /** @type {(() => void) | null} stops what is written */
  let writing = null;
  const log = find("log");
  const message = find("message");

  /** What the model has said in this chat since another spoke. */
  const said = () => {
    const last = turns.at(-1);
    return last && speaker?.facts.kind === "text" && last.speaker === speaker ? last.said + last.message + last.text : "";
  };

  /** @param {string} text @param {Turn} [again] */
  async function write(text, again) {
    if (!speaker || writing !== null) return;
    page.refuse(null);
    const held = again?.root.contains(document.activeElement);
    if (again) turns.pop()?.root.remove();
    const root = make("article", "turn live");
    /** @type {Turn} */
    const turn = { speaker, said: said(), message: text.normalize("NFC"), names: [], text: "", nats: [], settings: page.settings(), stopped: false, pointed: -1, root, own: make("span", "own") };
    turns.push(turn);
    log.append(root);
    draw(turn);
    busy(true);
    const { name, kind } = speaker.facts;
    const { maxChars = 0 } = turn.settings;
    const asked = kind === "text"
      ? { name, message: text, said: turn.said, settings: turn.settings }
      : { name, constraint: { starts: text }, first: 0, settings: { ...turn.settings, maxChars: Math.min(100, maxChars + [...turn.message].length) } };
    try {
      const asking = ask(kind === "text" ? "write" : "names", asked, (piece) => {
        if (kind === "text") {
          turn.text += piece.text;
          turn.nats.push(...piece.nats);
        } else turn.names = namesOf(piece);
        grow(turn);
      });
      writing = asking.cancel;
      const { seed, temperature, stopped, names } = await asking;
      if (names) turn.names = namesOf(names);
      turn.settings = { ...turn.settings, seed, temperature };
      turn.stopped = stopped;
      if (message.value === text) message.value = "";
    } catch (error) {
      turns.pop();
      root.remove();
      page.refuse(error);
    }
    busy(false);
    root.classList.remove("live");
    if (turns.includes(turn)) draw(turn);
    if (held) /** @type {HTMLElement | null} */ (root.querySelector(".again"))?.focus();
    furnish();
  }

  const namesOf = (/** @type {import("./engine/engine.js").Named[]} */ told) => told.map((each) => each.name);

  /** @param {boolean} now */
  function busy(now) {
    if (!now) writing = null;
    find("write").classList.toggle("writing", now);
    log.ariaBusy = String(now); // a screen reader hears the reply once, whole
    furnish();
  }

  /** What has come since the last piece. @param {Turn} turn */
  function grow(turn) {
    following(() => turn.root.querySelector(".reply")?.replaceWith(reply(turn)));
  }

  /** Change the log; who saw its end sees it still. @param {() => void} change */
  function following(change) {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    change();
    if (near) log.scrollTop = log.scrollHeight;
  }

  const reply = (/** @type {Turn} */ turn) => (isText(turn) ? prose(turn) : list(turn));

  /** @param {Turn} turn */
  function draw(turn) {
    const { root, message: typed, settings } = turn;
    const bubble = make("span", typed ? "bubble" : "bubble nothing", typed || say(turn.said ? "chat.goon" : "chat.nothing"));
    const you = make("p", "you", span("unseen", `${say("chat.you")}: `), bubble);
    const facts = [
      turn.speaker.told.title[language],
      say("chat.seed", { seed: settings.seed ?? "" }),
      say("chat.temperature", { value: number(settings.temperature ?? 0, 2) }),
      ...(turn.stopped ? [say("chat.stopped")] : []),
    ];
    const copied = button(say("chat.copy"), () => copy(copied, plain(turn), "chat.copied"), "copy");
    const linked = button(say("web.link"), () => copy(linked, linkOf(turn), "web.linked"), "link");
    const buttons = [copied, linked];
    if (turn === turns.at(-1)) buttons.push(button(say("chat.again"), () => void write(typed, turn), "again"));
    const about = make("footer", {}, span("facts", facts.join(" · ")), ...buttons);
    following(() => root.replaceChildren(you, reply(turn), about));
  }

  /** The reply of a text model; tapping a letter says what else could have stood there. @param {Turn} turn */
  function prose(turn) {
    const { own } = turn;
    [...turn.text].slice(own.children.length).forEach((character) => {
      const index = own.children.length;
      const bits = turn.nats[index] / Math.LN2;
      const letter = span(`cell doubt-${DOUBTS.filter((limit) => bits >= limit).length}`, character);
      letter.onclick = () => void explain(turn, index);
      own.append(letter);
    });
    const reply = make("p", "reply", span("given", turn.message), own);
    if (!turn.root.classList.contains("live")) {
      reply.tabIndex = 0;
      reply.onkeydown = (event) => steer(event, turn, reply);
      reply.ariaDescription = say("web.letters");
    }
    return reply;
  }

  /** @param {Turn} turn */
  function list(turn) {
    const given = turn.message.length;
    const rows = turn.names.map((name) =>
      make("li", {}, span("given", name.slice(0, given)), span("own", name.slice(given))));
    return make("ol", "reply", ...rows);
  }

  // ---- one letter -----------------------------------------------------------------------------

  let looks = 0;

  /** Arrows move from letter to letter of a reply. @param {KeyboardEvent} event @param {Turn} turn @param {HTMLElement} reply */
  function steer(event, turn, reply) {
    const cells = reply.querySelectorAll(".cell");
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -cells.length, End: cells.length }[event.key];
    if (event.key === "Escape") find("place").hidden = true;
    if (step === undefined || !cells.length) return;
    event.preventDefault();
    void explain(turn, Math.min(cells.length - 1, Math.max(0, turn.pointed + step)));
  }

  /** What could have stood at a place, and what another temperature makes of it. @param {Turn} turn @param {number} index */
  async function explain(turn, index) {
    const look = ++looks;
    turn.pointed = index;
    const letters = [...turn.text];
    turn.root.querySelectorAll(".cell").forEach((cell, i) => cell.classList.toggle("chosen", i === index));
    const asked = { name: turn.speaker.facts.name, said: turn.said, text: turn.message + letters.slice(0, index).join("") };
    const place = find("place");
    try {
      /** @type {number[]} */
      const likely = await ask("predict", asked);
      if (look !== looks) return;
      refill("where", `…${asked.text.slice(-24).replaceAll("\n", "↵")}`, make("b", {}, face(letters[index]).glyph));
      const dial = find("what-if");
      const options = () => {
        const temperature = Number(dial.value);
        put("what-if-at", say("chat.temperature", { value: number(temperature, 2) }));
        const best = likeliest(turn.speaker.facts.symbols, warm(likely, temperature), LIKELIEST);
        refill("place-options", bars(best));
        const told = best.map(([character, share]) => `${face(character).spoken} ${percent(share)}`).join(", ");
        announce(`${face(letters[index]).spoken}. ${say("inside.expected.spoken", { options: told })}`);
      };
      if (place.hidden) dial.value = 1;
      dial.oninput = options;
      options();
      place.hidden = false;
    } catch (error) {
      page.refuse(error);
    }
  }

  // ---- around it ------------------------------------------------------------------------------

  /** @param {Turn} turn */
  const plain = (turn) => (isText(turn) ? turn.message + turn.text : turn.names.join("\n"));

  /** A link that writes this reply again. @param {Turn} turn */
  function linkOf({ speaker: { facts }, said: before, message: typed, settings }) {
    const { temperature, seed, maxChars, count, balance } = settings;
    const prefix = [...before, ...typed].length <= 500 ? before + typed : typed;
    const keys = { model: facts.name, prefix, temperature, seed, max_chars: maxChars };
    return linkTo("write", { ...keys, ...(facts.kind === "names" ? { count } : {}), ...(balance ? { balance } : {}) });
  }

  function furnish() {
    if (!speaker) return;
    const { kind } = speaker.facts;
    if (!turns.length) log.replaceChildren(make("p", "empty", make("span", {}, say(`chat.empty.${kind}`))));
    else log.querySelector(".empty")?.remove();
    const count = [...said()].length;
    put("memory", kind === "names" ? "" : count ? say("chat.memory", { count: number(count) }) : say("chat.memory.none"));
    put("forget", say(kind === "names" ? "clear" : "forget"));
    find("forget").disabled = !turns.length;
    message.placeholder = say(`message.${kind}`);
  }

  /** Beginnings to try: made when another speaks, not while one has the focus. */
  function greet() {
    const { told, facts: { kind } } = /** @type {Speaker} */ (speaker);
    refill("beginnings", ...told.beginnings.map((text) => {
      const empty = say(kind === "text" ? "beginning.empty.text" : "beginning.empty");
      return button(text.trim() || empty, () => void write(text), text ? "" : "empty");
    }));
  }

  find("composer").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void write(message.value);
  };
  message.onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void write(message.value);
  };
  const halt = () => writing?.();
  find("place-close").onclick = () => (find("place").hidden = true);
  find("stop").onclick = halt;
  document.onkeydown = (event) => void (event.key === "Escape" && halt()); // false would undo the key
  find("forget").onclick = () => {
    halt();
    turns.splice(0).forEach((turn) => turn.root.remove());
    find("place").hidden = true;
    furnish();
    message.focus();
  };
  whenSpoken(() => {
    turns.forEach(draw);
    if (speaker) greet();
    furnish();
  });

  return {
    choose(chosen) {
      speaker = chosen;
      greet();
      furnish();
    },
    follow(asked) {
      message.value = asked.get("prefix") ?? "";
      if (asked.has("seed")) void write(message.value);
    },
  };
}

/** Probabilities at another temperature. @param {number[]} likely @param {number} temperature */
export function warm(likely, temperature) {
  const weights = likely.map((share) => share ** (1 / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/**
 * The likeliest characters with their probabilities, the likeliest first.
 * @param {string[]} symbols @param {number[]} likely @param {number} count
 * @returns {[string, number][]}
 */
export function likeliest(symbols, likely, count) {
  const ranked = [...likely.keys()].sort((a, b) => likely[b] - likely[a]).slice(0, count);
  return ranked.map((id) => [symbols[id], likely[id]]);
}
