// The chat: draws `props.value`, a list of turns {id, name, title, kind, message, reply, settings,
// sure, writing}, and nothing else. Letters are put in as text, never as markup.
//
// The server sends a reply in a few pieces, as fast as it can; here its letters appear one after
// another, so that it can be read while it grows. What is shown is what the model remembers:
// Stop cuts the turn to the letters shown, and the server reads its memory off that.
const CATCH_UP = 120; // milliseconds in which most of what is waiting appears
const PACE = 0.15; // letters a millisecond besides: 600 that come at once take 0.4 seconds
const SLOWEST = 40; // milliseconds a frame counts at most: where frames are few, letters still flow
const MAX_PREFIX = 500; // letters of a beginning that the page takes
const NEAR = 80; // pixels from the end within which the chat scrolls along

const chat = element.querySelector(".chat");
const log = make("div", "log");
const empty = make("p", "empty");
const memory = make("div", "memory");
const remembered = make("span", "remembered");
const clear = make("button");
clear.type = "button";
const shows = make("label", "shows");
const shown = make("input");
shown.type = "checkbox";
shown.id = "confidence";
shown.checked = strip.isOn;
const showsWords = make("span");
const scale = make("span", "scale");
scale.ariaHidden = "true";
const [surely, unsurely] = [make("span"), make("span")];
scale.append(surely, ...[0, 1, 2, 3, 4].map((doubt) => make("i", `doubt-${doubt}`)), unsurely);
shows.append(shown, showsWords);
memory.append(remembered, shows, scale, clear);
chat.append(log, panel, memory);
const failed = make("p", "failed");
failed.setAttribute("role", "alert");
log.setAttribute("role", "log");
log.tabIndex = 0;

const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
let drawn = []; // one entry a turn: its elements and how many letters are shown
let frozen = null; // after Stop or Forget: what stands, whatever still arrives
let waiting = null; // a message sent and not yet answered
let frame = 0;
let ticked = 0; // when letters appeared last
let live = false; // whether a reply was asked for and has not been shown to its end

function turns() {
  return Array.isArray(props.value) ? props.value : [];
}

function keyOf(turn) {
  return JSON.stringify([turn.id, turn.name, turn.message, turn.settings]);
}

// ---- one turn -------------------------------------------------------------------------------

function build(turn) {
  const root = make("article", `turn ${turn.kind}`);
  const you = make("p", "you");
  const bubble = make("span", turn.message ? "bubble" : "bubble nothing");
  const who = make("span", "unseen");
  you.append(who, bubble);
  const asNames = turn.kind === "names" && !turn.message.includes("\n");
  const reply = make(asNames ? "ol" : "p", "reply");
  const given = make("span", "given");
  const own = make("span", "own");
  const heard = make("span", "heard unseen");
  if (!asNames) {
    given.textContent = turn.message;
    given.hidden = turn.message === "\n"; // a new line that nobody typed
    reply.append(given, own, heard);
  }
  const about = make("footer");
  const facts = make("span", "facts");
  const sure = make("span", "sure");
  sure.setAttribute("role", "slider");
  sure.setAttribute("aria-controls", panel.id);
  sure.tabIndex = 0;
  const [copy, link, again] = ["copy", "link", "again"].map((name) => make("button", name));
  copy.type = link.type = again.type = "button";
  about.append(facts, sure, copy, link, again);
  root.append(you, reply, about);
  const entry = { key: keyOf(turn), turn, root, who, bubble, reply, own, heard, facts, sure };
  Object.assign(entry, { copy, link, again, asNames, shown: 0 });
  sure.addEventListener("keydown", (event) => steer(event, entry));
  reply.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (cell && String(getSelection()) === "") point(entry, cell, true);
  });
  copy.addEventListener("click", () => {
    copyText((entry.asNames ? "" : turn.message) + entry.turn.reply, copy, "chat.copied");
  });
  link.addEventListener("click", () => copyLink(entry));
  again.addEventListener("click", () => trigger("retry"));
  label(entry);
  return entry;
}

function label(entry) {
  const { turn } = entry;
  const goesOn = turn.kind === "text" && entry.follows;
  entry.who.textContent = `${charmodels.say("chat.you")}: `;
  const unsaid = { "": goesOn ? "chat.goon" : "chat.nothing", "\n": "chat.newline" };
  entry.bubble.classList.toggle("nothing", turn.message in unsaid);
  entry.bubble.textContent =
    turn.message in unsaid ? charmodels.say(unsaid[turn.message]) : turn.message;
  const facts = [
    turn.title[charmodels.language],
    charmodels.say("chat.seed", { seed: turn.settings.seed }),
    charmodels.say("chat.temperature", { value: charmodels.number(turn.settings.temperature, 2) }),
  ];
  if (turn.stopped) facts.push(charmodels.say("chat.stopped"));
  entry.facts.textContent = facts.join(" · ");
  entry.copy.textContent = charmodels.say("chat.copy");
  entry.link.textContent = charmodels.say("chat.link");
  entry.again.textContent = charmodels.say("chat.again");
  figure(entry);
}

function letters(entry) {
  const text = entry.turn.reply.slice(0, entry.shown);
  const pairs = strip.isOn ? pairsOf(entry.turn.sure ?? "") : [];
  if (!entry.asNames) {
    fill(entry, entry.own, entry.heard, text, pairs.slice(0, [...text].length));
    return;
  }
  const lines = text ? text.split("\n") : [];
  const given = entry.turn.message.length;
  let start = 0; // of the line among the pairs
  lines.forEach((line, row) => {
    let item = entry.reply.children[row];
    if (!item) {
      item = make("li");
      item.append(make("span", "given"), make("span", "own"), make("span", "heard unseen"));
      entry.reply.append(item);
    }
    const [before, own, heard] = item.children;
    const first = line.slice(0, given);
    if (before.textContent !== first) before.textContent = first;
    const end = start + [...line].length;
    const over = row < lines.length - 1 || entry.shown >= entry.turn.reply.length;
    const written = pairs.slice(start + [...first].length, over ? end + 1 : end);
    fill(entry, own, heard, line.slice(given), written);
    start = end + 1;
  });
  while (entry.reply.children.length > lines.length) entry.reply.lastChild.remove();
}

// Coloured letters are for the eye, one element each; a screen reader gets the text beside them.
function fill(entry, own, heard, text, pairs) {
  if (!pairs.length) {
    if (own.textContent !== text || own.children.length) own.textContent = text;
    own.removeAttribute("aria-hidden");
    heard.textContent = "";
    return;
  }
  if (own.firstChild?.nodeType === Node.TEXT_NODE) own.textContent = "";
  own.setAttribute("aria-hidden", "true");
  colour(own, [...text], pairs);
  if (entry.shown >= entry.turn.reply.length) heard.textContent = text;
}

async function copyText(text, button, done) {
  await charmodels.copy(text);
  button.textContent = charmodels.say(done);
  setTimeout(() => drawn.forEach(label), 1500);
}

// What the model had read in this chat before a turn; nothing where another one spoke last.
function saidBefore(entry) {
  let said = "";
  if (entry.turn.kind !== "text") return said;
  for (let i = drawn.indexOf(entry) - 1; drawn[i]?.turn.name === entry.turn.name; i--) {
    said = drawn[i].turn.message + drawn[i].turn.reply + said;
  }
  return said;
}

// A link that writes this reply again, whatever was said before it included if that fits.
function copyLink(entry) {
  const { name, kind, message, settings } = entry.turn;
  const said = saidBefore(entry) + message;
  const fits = [...said].length <= MAX_PREFIX;
  const { temperature, seed, max_chars, count, balance } = settings;
  const keys = { model: name, prefix: fits ? said : message, temperature, seed, max_chars };
  if (kind === "names") keys.count = count;
  if (balance) keys.balance = balance;
  const address = `${location.href.split("#")[0]}#write?${new URLSearchParams(keys)}`;
  copyText(address, entry.link, fits ? "chat.linked" : "chat.linked.bare");
}

// ---- the whole chat -------------------------------------------------------------------------

function draw() {
  if (frozen && props.value !== frozen && JSON.stringify(props.value) !== JSON.stringify(frozen)) {
    props.value = frozen;
    return;
  }
  const list = turns();
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
  list.forEach((turn, index) => {
    if (drawn[index]?.key !== keyOf(turn)) {
      drawn.splice(index).forEach((old) => old.root.remove());
      const entry = build(turn);
      entry.follows = index > 0 && list[index - 1].name === turn.name;
      label(entry);
      drawn[index] = entry;
      log.append(entry.root);
      if (!live || index < list.length - 1) entry.shown = turn.reply.length;
    }
    const entry = drawn[index];
    entry.turn = turn;
    entry.shown = Math.min(entry.shown, turn.reply.length);
    letters(entry);
    if (!entry.sure.textContent) figure(entry);
  });
  drawn.splice(list.length).forEach((old) => old.root.remove());
  if (waiting && list.at(-1)?.writing) settle();
  if (waiting) log.append(waiting);
  drawn.forEach((entry, index) => {
    const last = index === drawn.length - 1 && !waiting;
    entry.root.classList.toggle("last", last);
    entry.root.classList.toggle("live", last && live);
  });
  furnish();
  if (near) log.scrollTop = log.scrollHeight;
  if (live && !frame) start();
}

function start() {
  ticked = performance.now();
  frame = requestAnimationFrame(tick);
}

function furnish() {
  const list = turns();
  if (!list.length && !waiting) {
    const sentence = make("span");
    sentence.textContent = charmodels.say(`chat.empty.${charmodels.kind}`);
    empty.replaceChildren(sentence);
    log.append(empty);
  } else {
    empty.remove();
  }
  log.setAttribute("aria-label", charmodels.say("chat.label"));
  const remembers = charmodels.kind === "text";
  let count = 0;
  const last = list.at(-1)?.name;
  for (let i = list.length - 1; i >= 0 && list[i].name === last; i--) {
    count += list[i].message.length + (drawn[i]?.shown ?? list[i].reply.length);
  }
  remembered.textContent = !remembers
    ? ""
    : count && list.at(-1).kind === "text"
      ? charmodels.say("chat.memory", { count: charmodels.number(count) })
      : charmodels.say("chat.memory.none");
  showsWords.textContent = charmodels.say("chat.confidence");
  surely.textContent = charmodels.say("chat.surely");
  unsurely.textContent = charmodels.say("chat.unsurely");
  clear.textContent = charmodels.say(remembers ? "forget" : "clear");
  clear.disabled = !list.length && !waiting;
}

function tick(now) {
  frame = 0;
  const entry = drawn.at(-1);
  if (!live || !entry || waiting) return;
  const { turn } = entry;
  const backlog = turn.reply.length - entry.shown;
  if (backlog > 0) {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    const passed = Math.min(SLOWEST, Math.max(1, now - ticked));
    const step = backlog * (1 - Math.exp(-passed / CATCH_UP)) + PACE * passed;
    const all = calm.matches || document.hidden;
    entry.shown = all ? turn.reply.length : Math.min(turn.reply.length, entry.shown + Math.ceil(step));
    ticked = now;
    const code = turn.reply.charCodeAt(entry.shown - 1);
    if (code >= 0xd800 && code < 0xdc00) entry.shown += 1; // never half a character
    letters(entry);
    furnish();
    if (near) log.scrollTop = log.scrollHeight;
  }
  if (!turn.writing && entry.shown >= turn.reply.length) finish();
  else if (backlog > 0) frame = requestAnimationFrame(tick);
}

function setLive(now) {
  live = now;
  charmodels.setWriting(now);
  log.setAttribute("aria-busy", String(now)); // a screen reader hears the reply once, whole
  drawn.at(-1)?.root.classList.toggle("live", now);
}

function settle() {
  waiting?.remove();
  waiting = null;
}

function finish() {
  cancelAnimationFrame(frame);
  frame = 0;
  const entry = drawn.at(-1);
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
  setLive(false);
  if (entry) {
    entry.shown = entry.turn.reply.length;
    letters(entry);
    figure(entry);
  }
  furnish();
  if (near) log.scrollTop = log.scrollHeight; // the buttons under the reply have appeared
}

function keep(list) {
  frozen = list;
  props.value = list;
}

charmodels.view = {
  asked: () => strip.asked,
  told: () => strip.told,
  placed,

  // A message was sent: show it at once.
  begin(message, again) {
    finish();
    shut();
    failed.remove();
    frozen = null;
    settle();
    waiting = make("article", "turn waiting");
    const you = make("p", "you");
    const bubble = make("span", message ? "bubble" : "bubble nothing");
    bubble.textContent = message || charmodels.say("chat.nothing");
    you.append(bubble);
    waiting.append(you, make("p", "reply"));
    if (again) {
      drawn.at(-1)?.root.classList.add("redone");
      waiting.replaceChildren();
    }
    setLive(true);
    log.append(waiting);
    furnish();
    log.scrollTop = log.scrollHeight;
  },

  // The server is done, or failed, or was cut short; letters may still be appearing.
  end() {
    if (waiting) {
      settle();
      drawn.at(-1)?.root.classList.remove("redone");
      finish();
      draw();
      document.querySelector("#composer")?.scrollIntoView({ block: "nearest" }); // below the notice
      return;
    }
    const last = turns().at(-1);
    if (last?.writing && !frozen) keep([...turns().slice(0, -1), { ...last, writing: false }]);
  },

  // Gradio says so after Stop too, when nothing is awaited any more.
  fail() {
    if (!live) return;
    failed.textContent = charmodels.say("chat.failed");
    log.append(failed);
    log.scrollTop = log.scrollHeight;
  },

  stop() {
    if (!live) return;
    const entry = drawn.at(-1);
    if (waiting || !entry) {
      settle();
      setLive(false);
      entry?.root.classList.remove("redone");
      keep(turns());
    } else {
      const reply = entry.turn.reply.slice(0, entry.shown);
      const sure = (entry.turn.sure ?? "").slice(0, 2 * [...reply].length);
      const cut = { ...entry.turn, reply, sure, writing: false, stopped: true };
      keep([...turns().slice(0, -1), cut]);
      setLive(false);
      entry.turn = cut;
      label(entry);
    }
    draw();
  },
};

clear.addEventListener("click", () => {
  if (live) document.querySelector("#stop")?.click();
  settle();
  setLive(false);
  shut();
  keep([]);
  draw();
  document.querySelector("#message textarea")?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && live) document.querySelector("#stop")?.click();
});

shown.addEventListener("change", () => {
  strip.isOn = shown.checked;
  try {
    localStorage.setItem(SHOWN, strip.isOn ? "on" : "off");
  } catch {
    // as above
  }
  shut();
  chat.classList.toggle("plain", !strip.isOn);
  drawn.forEach((entry) => {
    letters(entry);
    figure(entry);
  });
});
chat.classList.toggle("plain", !strip.isOn);

watch("value", draw);
window.addEventListener("charmodels:language", () => {
  drawn.forEach(label);
  furnish();
  drawPlace();
});
window.addEventListener("charmodels:link", () => {
  if (charmodels.link.tab === "write") trigger("restore");
});
window.addEventListener("charmodels:kind", furnish);
draw();
