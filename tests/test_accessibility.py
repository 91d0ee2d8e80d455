"""Everybody can use every tab: axe-core's rules, keys alone, a narrow phone, no motion.

The tabs are those the page shows, so that a new one is tested the day it comes. Before the check
each is used as a visitor would: its first main button is pressed.
"""

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from tests.browser import missing, open_browser
from tests.serving import ROOT, WITH_TORCH, served

AXE_CORE = "4.14.1"

SCREENS = {"desktop": {"width": 1280, "height": 860}, "phone": {"width": 360, "height": 740}}

LOOKS = [*product(("es", "en"), ("light", "dark"), SCREENS)]
OPPOSITE = [LOOKS[0], LOOKS[-1]]
"""Of the eight looks two that differ in everything; the others take minutes."""

GRADIO: dict[str, str] = {}
"""Rules of axe-core that a component of Gradio's breaks where we cannot mend it: selector, why."""

SETTLED = """() => new Promise((resolve) => {
  let timer;
  const wait = () => { clearTimeout(timer); timer = setTimeout(done, 400); };
  const seen = new MutationObserver(wait);
  const done = () => {
    if (document.documentElement.classList.contains("writing")) return wait();
    seen.disconnect();
    resolve(true);
  };
  seen.observe(document.body, { childList: true, subtree: true, characterData: true });
  wait();
})"""
"""Resolves when nothing on the page has changed for a while."""

DEEPER = {"write": ".turn .cell:not(.newline)", "inside": "[data-view=unit]"}
"""What opens the other view of a tab: the panel of a letter, the units that are found."""

OPENED = """(name) => {
  if (document.getElementById(`tab-${name}`)?.checkVisibility()) return true;
  charmodels.open(name);
  return false;
}"""

VIOLATIONS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).flatMap(
    ({ id, help, nodes }) => nodes.map(({ target, html, any, all, none }) => ({
      id, help, target: target.join(" "), html: html.slice(0, 200),
      why: [...any, ...all, ...none].map(({ message }) => message).join("; "),
    })));
}"""

CONTROLS = (
    "a[href], button, input, select, summary, textarea, [contenteditable], "
    "[role=button], [role=option], [tabindex]:not([tabindex='-1'])"  # -1 alone: a place, no control
)

START = """() => {
  window.reached = [];
  const start = document.body.insertBefore(document.createElement("i"), document.body.firstChild);
  start.tabIndex = -1;
  start.focus();
  start.remove(); // the keys go on from where it was
}"""

REACHED = """() => {
  const seen = window.reached ??= [];
  const here = document.activeElement;
  if (here === document.body || seen.includes(here)) return false;
  seen.push(here);
  return true;
}"""

UNREACHED = """(selector) => {
  const { reached } = window;
  const shown = (node) => node.checkVisibility({ checkVisibilityCSS: true })
    && !node.closest("[inert], [hidden], [aria-hidden=true]") && node.getClientRects().length
    && node.getBoundingClientRect().width > 1;
  // One of a group stands for the others: arrows go on from it.
  const grouped = (node) => reached.some((other) =>
    (node.type === "radio" && other.type === "radio" && node.name === other.name)
    || (node.tabIndex < 0 && node.parentElement.contains(other))
    || (node.getAttribute("role") === "tab" && other.getAttribute("role") === "tab"));
  return [...document.querySelectorAll(selector)]
    .filter((node) => shown(node) && !node.disabled && !reached.includes(node) && !grouped(node))
    .map((node) => node.outerHTML.slice(0, 160));
}"""

UNORDERED = """() => window.reached.slice(1)
  .filter((node, i) => node.tabIndex > 0
    || node.compareDocumentPosition(window.reached[i]) & Node.DOCUMENT_POSITION_FOLLOWING)
  .map((node) => node.outerHTML.slice(0, 160))"""

MOVING = """() => document.getAnimations()
  .filter((each) => each.playState === "running"
    && each.effect.getComputedTiming().activeDuration > 20)
  .map((each) => `${each.animationName ?? each.transitionProperty} of `
    + each.effect.target.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's source."""
    package = ROOT / "node_modules" / "axe-core"
    facts = package / "package.json"
    found = json.loads(facts.read_text(encoding="utf-8"))["version"] if facts.is_file() else ""
    if found != AXE_CORE:
        missing(f"no axe-core: npm install --no-save axe-core@{AXE_CORE}")
    return (package / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page with every tab there is, that for training too."""
    with served(before=WITH_TORCH) as (address, _):
        yield address


@pytest.fixture(scope="module")
def shown(address: str) -> Iterator[Any]:
    """The shown, open in a browser that asks for calm."""
    with open_browser() as browser:
        window = browser.new_context(locale="es-MX", reduced_motion="reduce")
        tab = window.new_page()
        tab.set_default_timeout(20_000)
        tab.goto(address)
        tab.wait_for_selector("html.ready", state="attached")
        yield tab


def look(shown: Any, language: str, scheme: str, screen: str) -> None:
    """Give the page this language, light and size."""
    shown.set_viewport_size(SCREENS[screen])
    shown.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
    shown.locator(f"#language input[value={language}]").check(force=True)
    shown.wait_for_function("l => document.documentElement.lang === l", arg=language)
    shown.evaluate(SETTLED)


def tabs(shown: Any) -> list[str]:
    """The names of the page's tabs."""
    names = "nodes => [...new Set(nodes.map((node) => node.dataset.tabId).filter(Boolean))]"
    found: list[str] = shown.locator("#tabs [role=tab]").evaluate_all(names)
    assert len(found) > 1, f"the page shows no tabs but {found}"
    return found


def use(shown: Any, name: str) -> None:
    """Open a tab, press its first main button, and open what lies deeper."""
    # Asked again until it is: Gradio makes the row of tabs anew when the language changes.
    shown.wait_for_function(OPENED, arg=name, polling=300)
    panel = shown.locator(f"#tab-{name}")
    shown.evaluate(SETTLED)
    button = panel.locator("button.primary:visible:enabled").first
    if button.count():
        button.click()
        shown.evaluate(SETTLED)
    if name in DEEPER:
        panel.locator(DEEPER[name]).first.click()
        shown.evaluate(SETTLED)


def walk(
    shown: Any, looks: list[tuple[str, str, str]], check: Callable[[], list[Any]]
) -> list[Any]:
    """What the check finds in each tab in each of these looks."""
    found = []
    for each in looks:
        look(shown, *each)
        for name in tabs(shown):
            use(shown, name)
            found += [(name, *each, complaint) for complaint in check()]
    return found


def violations(shown: Any) -> list[Any]:
    return [
        each
        for each in shown.evaluate(VIOLATIONS)
        if not any(selector in each["target"] for selector in GRADIO)
    ]


def told(found: list[Any]) -> str:
    """Each complaint once, with where it was first met."""
    first: dict[str, Any] = {}
    for *where, complaint in found:
        first.setdefault(json.dumps(complaint, sort_keys=True), (where, complaint))
    return "\n".join(f"{where}: {complaint}" for where, complaint in first.values())


def test_axe_finds_no_serious_violation(shown: Any, axe: str) -> None:
    shown.evaluate(axe)
    found = walk(shown, OPPOSITE, lambda: violations(shown))
    assert not found, told(found)


@pytest.mark.slow
def test_axe_finds_no_serious_violation_in_any_look(shown: Any, axe: str) -> None:
    shown.evaluate(axe)
    found = walk(shown, [each for each in LOOKS if each not in OPPOSITE], lambda: violations(shown))
    assert not found, told(found)


def test_axe_would_find_one(shown: Any, axe: str) -> None:
    shown.evaluate(axe)
    shown.evaluate("document.body.insertAdjacentHTML('beforeend', '<button id=planted></button>')")
    try:
        assert [each["target"] for each in violations(shown)] == ["#planted"]
    finally:
        shown.evaluate("document.getElementById('planted').remove()")


def test_no_tab_scrolls_sideways_on_a_phone(shown: Any) -> None:
    def wider() -> list[Any]:
        width = shown.evaluate("document.documentElement.scrollWidth")
        return [] if width <= 360 else [f"{width} px wide"]

    found = walk(shown, [("es", "light", "phone"), ("en", "light", "phone")], wider)
    assert not found, told(found)


def unreached(shown: Any) -> list[Any]:
    """Controls that the tab key passes by, and those it comes to before the one before them."""
    shown.evaluate(START)
    for _ in range(400):
        shown.keyboard.press("Tab")
        if not shown.evaluate(REACHED):
            break
    return [*shown.evaluate(UNREACHED, CONTROLS), *shown.evaluate(UNORDERED)]


@pytest.mark.parametrize("screen", SCREENS)
def test_the_tab_key_reaches_every_control_in_order(shown: Any, screen: str) -> None:
    found = walk(shown, [("en", "light", screen)], lambda: unreached(shown))
    assert not found, told(found)


@pytest.mark.parametrize("order", ["-1", "5"])
def test_a_control_out_of_reach_or_order_would_be_found(shown: Any, order: str) -> None:
    planted = f"<p><button id=planted tabindex={order}>x</button></p>"
    shown.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", planted)
    try:
        assert any("planted" in each for each in unreached(shown))
    finally:
        shown.evaluate("document.getElementById('planted').parentElement.remove()")


def test_who_asks_for_calm_sees_nothing_move(shown: Any) -> None:
    found = walk(shown, [("es", "light", "desktop")], lambda: shown.evaluate(MOVING))
    assert not found, told(found)
    shown.evaluate("document.querySelector('#send').animate({ opacity: [0, 1] }, 5000)")
    assert shown.evaluate(MOVING), "the check can fail"
