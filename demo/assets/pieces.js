// Pieces that several tabs draw: lists of the characters that may come next, and a memory.
//
// An option is {character, face: {glyph, spoken}, percent, share}, as in look.py. Text is put in as
// text, never as markup.
Object.assign(window.charmodels, {
  make(tag, className = "", text = "") {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
  },

  // The models to choose from; there may come more while the page is open. Gives them by name.
  offer(menu, models) {
    const chosen = menu.value;
    menu.replaceChildren(
      ...models.map(({ name }) => {
        const option = charmodels.make("option");
        option.value = name;
        return option;
      }),
    );
    if (models.some(({ name }) => name === chosen)) menu.value = chosen;
    return new Map(models.map((model) => [model.name, model]));
  },

  // What an option looks like: its glyph, a bar as long as it is likely, its percent.
  option({ face, percent, share }, spoken = face.spoken) {
    const { make } = charmodels;
    const glyph = make("span", [...face.glyph].length > 2 ? "glyph word" : "glyph", face.glyph);
    glyph.ariaHidden = "true";
    const bar = make("span", "bar");
    bar.style.width = `${100 * share}%`;
    const track = make("span", "track");
    track.append(bar);
    return [glyph, make("span", "unseen", `${spoken}, `), track, make("span", "percent", percent)];
  },

  options(place, options) {
    place.replaceChildren(
      ...options.map((option) => {
        const item = charmodels.make("li");
        const row = charmodels.make("div", "option");
        row.append(...charmodels.option(option));
        item.append(row);
        return item;
      }),
    );
  },

  // The same as buttons that add their character to a text; `ends` says whether the end may be
  // chosen too. They stay the same elements, so that the keyboard's place among them stays.
  choices(place, options, pick, ends = false) {
    while (place.children.length > options.length) place.lastChild.remove();
    options.forEach((option, index) => {
      if (!place.children[index]) {
        const item = charmodels.make("li");
        const button = charmodels.make("button", "option");
        button.type = "button";
        button.addEventListener("click", () => {
          if (button.ariaDisabled !== "true") pick(button.dataset.character);
        });
        item.append(button);
        place.append(item);
      }
      const button = place.children[index].firstChild;
      const adds = option.character || ends;
      const spoken = adds && `${charmodels.say("learn.add")} ${option.face.spoken}`;
      button.dataset.character = option.character;
      button.ariaDisabled = String(!adds);
      button.replaceChildren(...charmodels.option(option, spoken || option.face.spoken));
    });
  },

  // Numbers from -1 to 1: gold is positive, blue negative, pale near zero.
  cells(place, numbers) {
    while (place.children.length > numbers.length) place.lastChild.remove();
    while (place.children.length < numbers.length) place.append(charmodels.make("span"));
    numbers.forEach((value, index) => {
      const cell = place.children[index];
      cell.className = value < 0 ? "negative" : "positive";
      cell.style.opacity = 0.08 + 0.92 * Math.abs(value);
    });
  },
});
