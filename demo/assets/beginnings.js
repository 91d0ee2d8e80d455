// Beginnings to click: `props.value` is {kind, texts}; the one clicked goes into charmodels.picked.
const row = element.querySelector(".beginnings");

function draw() {
  const { kind, texts } = props.value ?? { kind: "names", texts: [] };
  charmodels.setKind(kind);
  row.replaceChildren(
    ...texts.map((text) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.text = text;
      button.textContent =
        text.trim() || charmodels.say(kind === "text" ? "beginning.empty.text" : "beginning.empty");
      button.classList.toggle("empty", !text);
      return button;
    }),
  );
}

row.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  charmodels.picked = button.dataset.text;
  trigger("click");
});
watch("value", draw);
window.addEventListener("charmodels:language", draw);
draw();
