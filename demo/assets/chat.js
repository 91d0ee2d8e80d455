// The chat: draws `props.value`, a list of turns {id, name, title, kind, message, reply, seed,
// temperature, writing}, and nothing else. Letters are put in as text, never as markup.
//
// The server sends a reply in a few pieces, as fast as it can; here its letters appear one after
// another, so that it can be read while it grows. What is shown is what the model remembers:
// Stop cuts the turn to the letters shown, and the server reads its memory off that.
const CATCH_UP = 40; // frames in which most of what is waiting appears
const NEAR = 80; // pixels from the end within which the chat scrolls along

const chat = element.querySelector(".chat");
const log = make("div", "log");
const empty = make("p", "empty");
const memory = make("div", "memory");
const remembered = make("span");
const clear = make("button");
clear.type = "button";
memory.append(remembered, clear);
chat.append(log, memory);
const failed = make("p", "failed");
failed.setAttribute("role", "alert");
log.setAttribute("role", "log");
log.tabIndex = 0;

const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
let drawn = []; // one entry a turn: its elements and how many letters are shown
let frozen = null; // after Stop or Forget: what stands, whatever still arrives
let waiting = null; // a message sent and not yet answered
let frame = 0;
let live = false; // whether a reply was asked for and has not been shown to its end

function make(tag, className = "") {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

function turns() {
  return Array.isArray(props.value) ? props.value : [];
}

function keyOf(turn) {
  return `${turn.id} ${turn.name} ${turn.seed}`;
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
  if (!asNames) {
    given.textContent = turn.message;
    reply.append(given, own);
  }
  const about = make("footer");
  const facts = make("span", "facts");
  const copy = make("button", "copy");
  const again = make("button", "again");
  copy.type = again.type = "button";
  about.append(facts, copy, again);
  root.append(you, reply, about);
  const entry = { key: keyOf(turn), turn, root, who, bubble, reply, own, facts, copy, again };
  Object.assign(entry, { asNames, shown: 0 });
  copy.addEventListener("click", () => copyTurn(entry));
  again.addEventListener("click", () => trigger("retry"));
  label(entry);
  return entry;
}

function label(entry) {
  const { turn } = entry;
  const goesOn = turn.kind === "text" && entry.follows;
  entry.who.textContent = `${charmodels.say("chat.you")}: `;
  entry.bubble.textContent =
    turn.message || charmodels.say(goesOn ? "chat.goon" : "chat.nothing");
  const facts = [
    turn.title[charmodels.language],
    charmodels.say("chat.seed", { seed: turn.seed }),
    charmodels.say("chat.temperature", { value: charmodels.number(turn.temperature, 2) }),
  ];
  if (turn.stopped) facts.push(charmodels.say("chat.stopped"));
  entry.facts.textContent = facts.join(" · ");
  entry.copy.textContent = charmodels.say("chat.copy");
  entry.again.textContent = charmodels.say("chat.again");
}

function letters(entry) {
  const text = entry.turn.reply.slice(0, entry.shown);
  if (!entry.asNames) {
    if (entry.own.textContent !== text) entry.own.textContent = text;
    return;
  }
  const lines = text ? text.split("\n") : [];
  lines.forEach((line, row) => {
    let item = entry.reply.children[row];
    if (!item) {
      item = make("li");
      item.append(make("span", "given"), make("span", "own"));
      entry.reply.append(item);
    }
    const given = line.slice(0, entry.turn.message.length);
    const own = line.slice(entry.turn.message.length);
    if (item.children[0].textContent !== given) item.children[0].textContent = given;
    if (item.children[1].textContent !== own) item.children[1].textContent = own;
  });
  while (entry.reply.children.length > lines.length) entry.reply.lastChild.remove();
}

async function copyTurn(entry) {
  const { turn } = entry;
  const text = (entry.asNames ? "" : turn.message) + turn.reply;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea"); // pages without https have no clipboard of their own
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    entry.copy.focus();
  }
  entry.copy.textContent = charmodels.say("chat.copied");
  setTimeout(() => label(entry), 1500);
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
  if (live && !frame) frame = requestAnimationFrame(tick);
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
  clear.textContent = charmodels.say(remembers ? "forget" : "clear");
  clear.disabled = !list.length && !waiting;
}

function tick() {
  frame = 0;
  const entry = drawn.at(-1);
  if (!live || !entry || waiting) return;
  const { turn } = entry;
  const backlog = turn.reply.length - entry.shown;
  if (backlog > 0) {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    const step = calm.matches || document.hidden ? backlog : Math.ceil(backlog / CATCH_UP) + 1;
    entry.shown = Math.min(turn.reply.length, entry.shown + step);
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
  }
  furnish();
  if (near) log.scrollTop = log.scrollHeight; // the buttons under the reply have appeared
}

function keep(list) {
  frozen = list;
  props.value = list;
}

charmodels.view = {
  // A message was sent: show it at once.
  begin(message, again) {
    finish();
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
      const cut = { ...entry.turn, reply, writing: false, stopped: true };
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
  keep([]);
  draw();
  document.querySelector("#message textarea")?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && live) document.querySelector("#stop")?.click();
});

watch("value", draw);
window.addEventListener("charmodels:language", () => {
  drawn.forEach(label);
  furnish();
});
window.addEventListener("charmodels:kind", furnish);
draw();
