"""The Look inside tab: what it says of a text, and the real tab driven by Chromium."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from charmodels.runtime import Memory, Model, Prediction, load_bundle
from demo.chat import Refusal
from demo.inside import MAX_NAMES, MAX_TEXT, Inside, check_text, check_unit, example, inside, score
from demo.look import COUNT, SURPRISED, face, memory_after, percent, warm
from demo.properties import properties
from demo.shelf import Shelf, Speaker
from demo.units import Unit, concordance, find_units
from demo.words import WORDS, Language, say
from tests import tiny
from tests.browser import CONTRAST, complaints, profiles
from tests.serving import ROOT, served

HOSTILE = "<img src=x onerror=alert(1)>"
SYMBOLS = tuple(dict.fromkeys((*tiny.SYMBOLS, *HOSTILE, *'AEIOU.,:"')))
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
}
SCREENS = [
    pytest.param("es-MX", WIDE, id="es, desktop"),
    pytest.param("en-US", PHONE, id="en, phone"),
    pytest.param("en-US", WIDE, id="en, desktop", marks=pytest.mark.slow),
    pytest.param("es-MX", PHONE, id="es, phone", marks=pytest.mark.slow),
]
TONGUES: dict[str, Language] = {"es-MX": "es", "en-US": "en"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`towns` (names) and `poem` (text), which know the characters that could break a page, and
    `dull` (names), whose only two units tell nothing."""
    folder = tmp_path_factory.mktemp("bundles")
    with mock.patch.object(tiny, "SYMBOLS", tuple(s for s in SYMBOLS if s != "\n")):
        tiny.write_tiny(folder / "towns", "names")
        tiny.write_tiny(folder / "dull", "names", hidden=1)
    with mock.patch.object(tiny, "SYMBOLS", SYMBOLS):
        tiny.write_tiny(folder / "poem", "text", seed=1)
    for name in ("towns", "poem"):
        path = folder / name / "bundle.json"
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["provenance"] = {"title": f"{name} {HOSTILE}"}
        path.write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, Model]:
    return {name: load_bundle(folder / name) for name in ("towns", "poem", "dull")}


@pytest.fixture(scope="module")
def hybrid() -> Model:
    return load_bundle(ROOT / "demo/bundles/municipios", trusted=True)


def looked(model: Model, text: str, unit: Unit | None = None, property: object = None) -> Inside:
    return inside(model, check_text(model, text), "es", unit, property)


# ---- without a browser --------------------------------------------------------------------------


def test_bits_of_a_text_are_the_models_own(models: dict[str, Model]) -> None:
    seen = looked(models["poem"], "hola\nmar")
    assert seen.characters == [*"hola\nmar"]
    expected = models["poem"].score("hola\nmar") / math.log(2)
    assert seen.bits == pytest.approx(expected.tolist(), abs=1e-3)


def test_names_are_read_each_alone_and_their_ends_count(models: dict[str, Model]) -> None:
    towns = models["towns"]
    seen = looked(towns, "mar\n\nbo\nxula")
    assert seen.characters == [*"mar", "", *"bo", "", *"xula", ""]
    alone = np.concatenate([towns.score(name) for name in ("mar", "bo", "xula")]) / math.log(2)
    assert seen.bits == pytest.approx(alone.tolist(), abs=1e-3)
    assert seen.text == "mar\nbo\nxula"


@pytest.mark.parametrize(("name", "text"), [("poem", "hola mar"), ("towns", "bo\nmarta")])
def test_what_was_expected_is_what_predict_says(
    models: dict[str, Model], name: str, text: str
) -> None:
    model = models[name]
    seen = looked(model, text)
    row = text.split("\n")[-1] if name == "towns" else text
    start = len(seen.characters) - len(row) - (name == "towns")
    for place in range(1, len(row)):
        told = model.predict(row[:place], COUNT)
        shown = seen.expected[start + place]
        assert [c for c, _ in shown] == [c for c, _ in told]
        bits = -math.log2(dict(shown).get(row[place], 0.0) or math.nan)
        if row[place] in dict(shown):
            assert bits == pytest.approx(seen.bits[start + place], abs=2e-3)
    assert "" not in [c for c, _ in seen.expected[start]], "no name is empty, no text ends"


def test_long_texts_are_told_piece_by_piece_to_the_same_end(models: dict[str, Model]) -> None:
    whole = looked(models["towns"], "mar\nbo\nxula")
    with mock.patch("demo.inside._AT_ONCE", 100):
        assert looked(models["towns"], "mar\nbo\nxula") == whole


@pytest.mark.parametrize("text", ["", "S", "San ", "Tlax\nSan Ju", "Tlax\n"])
def test_the_parts_of_a_hybrid_speak_for_themselves(hybrid: Model, text: str) -> None:
    seen = looked(hybrid, text)
    row = text.split("\n")[-1]
    assert list(seen.next) == ["both", "network", "ngram"]
    everything = hybrid.predict(row, 1000)
    assert [c for c, _ in seen.next["both"]] == [c for c, _ in everything]
    assert [p for _, p in seen.next["both"]] == pytest.approx([p for _, p in everything], rel=1e-3)
    assert ("" in dict(seen.next["ngram"])) == bool(row), "an empty name is no name"
    assert dict(seen.next["network"]) != dict(seen.next["ngram"])
    memory = hybrid.stream(row, max_chars=0, balance=1.0).memory
    alone = dict(hybrid.predict("", 1000, memory))
    assert dict(seen.next["ngram"]) == pytest.approx(alone, rel=1e-3)


def test_a_memory_that_has_read_nothing_ends_no_name(models: dict[str, Model]) -> None:
    towns = models["towns"]
    fresh = Memory(towns.step.initial_state())
    assert towns.predict("", 1000, fresh) == towns.predict("", 1000)
    begun = towns.stream("a", max_chars=0).memory
    assert "" in [c for c, _ in towns.predict("", 1000, begun)]


def test_the_memory_is_the_one_after_the_last_row(models: dict[str, Model]) -> None:
    for name, text in (("towns", "bo\nmar"), ("towns", "marta\nbo"), ("poem", "mar"), ("poem", "")):
        seen = looked(models[name], text)
        state = memory_after(models[name], text.split("\n")[-1])[0]
        assert seen.memory == pytest.approx(state.tolist(), abs=0.006)
        assert seen.numbers == 32


def test_a_units_values_are_its_states(models: dict[str, Model]) -> None:
    towns = models["towns"]
    seen = looked(towns, "mar\nbo", Unit("c_0", 5))
    expected: list[float | None] = []
    for name in ("mar", "bo"):
        state = towns.step.initial_state()
        for place, token in enumerate((0, *towns.vocabulary.encode(name))):
            _, state = towns.step.step(np.array([token]), state)
            if place:
                expected.append(round(float(state["c_0"][0, 5]), 3))
        expected.append(None)
    assert seen.values == pytest.approx(expected, abs=0.0011)
    assert looked(towns, "mar").values == [None] * 4


def test_how_well_a_unit_tells_a_property_is_counted_on_the_text(models: dict[str, Model]) -> None:
    poem, text = models["poem"], "una tarde de abril en la mar"
    seen = looked(poem, text, Unit("h_0", 2), "vowel")
    holds = np.array(properties(text, endless=True)["vowel"])
    values = np.array(seen.values, dtype=float)
    assert seen.agrees == pytest.approx(concordance(values, holds), abs=1e-3)
    assert looked(poem, text, Unit("h_0", 2), "capital").agrees is None, "there are none"
    for strange in (None, 3, ["vowel"], {}, "nothing"):
        assert looked(poem, text, Unit("h_0", 2), strange).agrees is None
    assert looked(poem, text, None, "vowel").agrees is None


def test_characters_that_do_not_look_like_themselves_have_a_face(models: dict[str, Model]) -> None:
    seen = looked(models["poem"], "a b\n")
    assert seen.faces[" "] == face(" ", "es")
    assert seen.faces["\n"] == face("\n", "es")
    assert "a" not in seen.faces
    assert looked(models["towns"], "a").faces[""].glyph == "fin"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("poem", 7, "not text"),
        ("towns", None, "not text"),
        ("poem", "a" * (MAX_TEXT + 1), "1001 characters"),
        ("towns", "a\n" * 501, "1002 characters"),
        ("towns", "a\n" * MAX_NAMES + "a", "51 names"),
        ("towns", "a\nb日", "does not know «日»"),
        ("poem", "a\rb", "U+000D"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(
    models: dict[str, Model], name: str, text: object, reason: str
) -> None:
    with pytest.raises(Refusal, match=re.escape(reason)):
        check_text(models[name], text)


def test_as_many_names_as_fit_may_end_in_a_line_break(models: dict[str, Model]) -> None:
    assert len(check_text(models["towns"], "a\n" * (MAX_NAMES - 1))) == MAX_NAMES
    assert check_text(models["towns"], "") == [""]


@pytest.mark.parametrize("name", ["towns", "poem"])
def test_an_example_is_the_models_own_and_can_be_read(models: dict[str, Model], name: str) -> None:
    text = example(models[name], "ma", 7)
    assert check_text(models[name], text)
    assert text == example(models[name], "ma", 7) != example(models[name], "ma", 8)


def test_only_units_that_are_there_are_units(models: dict[str, Model]) -> None:
    towns = models["towns"]
    assert check_unit(towns, "c_0", 15) == Unit("c_0", 15)
    for state, index in (("c_0", 16), ("c_0", -1), ("x", 0), (None, 0), (["h_0"], 0), ({}, 0)):
        assert check_unit(towns, state, index) is None
    for strange in (None, True, 1.0, "1", [], math.nan):
        assert check_unit(towns, "c_0", strange) is None


def test_a_programs_score_is_the_models(models: dict[str, Model]) -> None:
    told = score(models["towns"], "bo")
    assert [each["character"] for each in told] == ["b", "o", ""]
    bits = models["towns"].score("bo") / math.log(2)
    assert [each["bits"] for each in told] == pytest.approx(bits.tolist())


@pytest.mark.parametrize(
    "asked", [None, [], "x", {}, {"model": ["towns"]}, {"model": "nobody", "text": "a"}]
)
def test_a_strange_question_is_refused(models: dict[str, Model], asked: object) -> None:
    from demo.pages.inside import answer, search

    shelf = {"towns": Speaker("towns", models["towns"], 1, shipped=False)}
    assert "Hay: towns" in answer(shelf, asked)["refused"]
    assert "Hay: towns" in search(shelf, WeakKeyDictionary(), asked)["refused"]
    for seed in ("x", 2**60, -2, {}, 1.5):
        assert answer(shelf, {"model": "towns", "seed": seed, "id": 3})["look"] is None
    for text in (7, "a" * 1001, "日"):
        told = answer(shelf, {"model": "towns", "text": text, "language": "en", "id": 3})
        assert told["refused"]
        assert (told["id"], told["look"]) == (3, None)


def test_a_model_is_searched_once_and_forgotten_with_it(folder: Path) -> None:
    from demo.pages import inside as page

    model = load_bundle(folder / "towns")
    shelf = Shelf([Speaker("towns", model, 1, shipped=False)])
    known: WeakKeyDictionary[Model, Any] = WeakKeyDictionary()
    with mock.patch.object(page, "find_units", wraps=find_units) as finder:
        told = [page.search(shelf.by_name, known, {"model": "towns"}) for _ in range(2)]
    assert told[0] == told[1]
    assert finder.call_count == 1
    json.dumps(told[0])
    shelf.remove("towns")
    finder.reset_mock()
    del model, finder
    import gc

    gc.collect()
    assert len(known) == 0


def test_every_property_has_its_words() -> None:
    for kind, endless in (("text", True), ("names", False)):
        for name in properties("Ana", endless):
            whole = f"inside.property.{name}"
            assert (whole in WORDS) != (f"{whole}.{kind}" in WORDS)


def test_the_browsers_levels_are_those_of_the_style() -> None:
    script = (ROOT / "demo/assets/inside.js").read_text(encoding="utf-8")
    assert f"const SURPRISED = {json.dumps([int(bits) for bits in SURPRISED])};" in script
    assert not re.search(r"innerHTML|insertAdjacentHTML|outerHTML", script)
    template = (ROOT / "demo/assets/inside.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|\$\{|\{\{|`", template)


# ---- a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    shipped = ROOT / "demo/bundles"
    own = [folder / name for name in ("towns", "poem", "dull")]
    with served([*own, shipped / "municipios"]) as (address, _):
        yield address


class Reader:
    """A visitor on the Look inside tab."""

    def __init__(self, tab: Any, language: Language) -> None:
        self.tab, self.language = tab, language

    def type(self, text: str) -> None:
        self.tab.locator("#inside-text").fill(text)

    def text(self) -> str:
        return str(self.tab.locator("#inside-text").input_value())

    def shows(self, model: Model, text: str) -> Inside:
        """Wait until the coloured letters and the next ones are those of `text`."""
        seen = inside(model, check_text(model, text), self.language)
        letters = [face(c, self.language).glyph if c != " " else " " for c in seen.characters]
        percents = [percent(self.language, p) for _, p in seen.next["both"][:6]]
        self.tab.wait_for_function(
            """([letters, percents]) => {
              const texts = (selector) => [...document.querySelectorAll(selector)]
                .map((node) => node.textContent);
              const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
              const last = document.querySelectorAll('.part').length > 1 ? '.part.both' : '.part';
              return same(texts('.letters > *').map((t) => t.replace(/(.)\\n$/, '$1')), letters)
                && same(texts(`${last} .percent`), percents);
            }""",
            arg=[letters, percents],
        )
        return seen

    def sideways(self) -> int:
        """Pixels by which the page, or anything on the tab, is wider than its window."""
        return int(
            self.tab.evaluate(
                """() => {
                  const ends = [...document.querySelectorAll('.inside, .inside *:not(.unseen)')]
                    .map((node) => node.getBoundingClientRect().right);
                  const page = document.documentElement;
                  return Math.max(...ends, page.scrollWidth) - page.clientWidth;
                }"""
            )
        )

    def units(self) -> None:
        """Look at a hidden unit, and wait until it is known what was found."""
        name = say(self.language, "inside.unit")
        self.tab.get_by_role("button", name=name, exact=True).click()
        self.tab.wait_for_function("!document.querySelector('.how').hidden")


Open = Callable[..., Reader]


@pytest.fixture(scope="module")
def profile(chrome: Any) -> Callable[..., Any]:
    return profiles(chrome, timeout_ms=30_000)


@pytest.fixture
def reading(site: str, profile: Callable[..., Any]) -> Iterator[Open]:
    """Opens the tab for a new visitor; at the end nobody may have complained."""
    opened: list[tuple[Any, list[str]]] = []

    def new(locale: str = "es-MX", link: str = "", **options: Any) -> Reader:
        tab = profile(locale=locale, **{**WIDE, "reduced_motion": "reduce", **options}).new_page()
        opened.append((tab, complaints(tab, site)))
        tab.goto(f"{site}/#inside{link}")
        tab.wait_for_selector("html.ready", state="attached")
        tab.locator(".parts .option").first.wait_for()
        return Reader(tab, TONGUES[locale])

    yield new
    for tab, _ in opened:
        tab.evaluate("localStorage.clear()")
        tab.close()
    assert not [complaint for _, told in opened for complaint in told]


@pytest.mark.parametrize(("locale", "screen"), SCREENS)
def test_a_text_is_coloured_by_what_it_cost(
    models: dict[str, Model], reading: Open, locale: str, screen: dict[str, Any]
) -> None:
    ana = reading(locale, **screen)
    towns, language = models["towns"], ana.language
    assert ana.text() == example(towns, "", 7), "the model's own example"
    ana.type("mar\nbo")
    seen = ana.shows(towns, "mar\nbo")
    classes = ana.tab.locator(".letter[role=option]").evaluate_all(
        "all => all.map(e => e.className)"
    )
    for name, bits in zip(classes, seen.bits, strict=True):
        assert f"level-{sum(bits >= limit for limit in SURPRISED)}" in name.split()
    total = f"{sum(seen.bits):.1f} bits"
    assert total in ana.tab.locator(".sum").inner_text()
    worst = int(np.argmax(seen.bits))
    peak = ana.tab.locator(".peaks button").first
    assert f"{seen.bits[worst]:.1f} bits" in peak.inner_text()
    peak.click()
    assert f"{seen.bits[worst]:.1f} bits" in ana.tab.locator(".detail .said").inner_text()
    shown = ana.tab.locator(".expected .percent").all_text_contents()
    assert shown == [percent(language, share) for _, share in seen.expected[worst]]
    ana.tab.locator(".letter[role=option]").nth(1).click()
    assert ana.tab.locator(".letter[aria-selected=true]").text_content() == "a"
    assert ana.sideways() <= 0
    ana.type("w" * 300)
    ana.shows(towns, "w" * 300)
    assert ana.sideways() <= 0
    ana.units()
    assert ana.sideways() <= 0
    for key in ("inside.unit.text", "inside.any", "inside.next", "inside.memory"):
        assert say(language, key) in ana.tab.locator(".inside").inner_text()


def test_a_unit_is_found_named_and_colours_the_text(hybrid: Model, reading: Open) -> None:
    text = "San Juan de la Cruz\nVilla de Arriba\nSanta Ana de la Torre"
    ana = reading("en-US", "?" + urlencode({"model": "municipios", "text": text}))
    ana.shows(hybrid, text)
    ana.units()
    finding = find_units(hybrid)
    assert finding.found, "the shipped model has some"
    shown = ana.tab.locator(".found button")
    assert shown.count() == len(finding.found)
    for button, found in zip(shown.all(), finding.found, strict=True):
        assert f"{round(100 * found.concordance)} in 100" in button.inner_text()
        assert f"{found.unit.state} {found.unit.index}" in button.inner_text()
    for place in (0, len(finding.found) - 1):
        found = finding.found[place]
        shown.nth(place).click()
        seen = inside(hybrid, text.split("\n"), "en", found.unit, found.property)
        values = np.array([v for v in seen.values if v is not None])
        sign = "negative" if seen.values[0] < 0 else "positive"  # type: ignore[operator]
        bar = abs(seen.values[0]) / np.abs(values).max()  # type: ignore[arg-type]
        ana.tab.wait_for_function(
            """([sign, bar]) => {
              const letter = document.querySelector('.letters .letter');
              const shown = Number(letter.style.getPropertyValue('--bar'));
              return letter.classList.contains(sign) && Math.abs(shown - bar) < 0.01;
            }""",
            arg=[sign, float(bar)],
        )
        assert seen.agrees is not None
        agrees = seen.agrees if found.sign > 0 else 1 - seen.agrees
        assert (
            f"about {math.floor(100 * agrees + 0.5)} pairs"
            in ana.tab.locator(".explain").inner_text()
        )
        assert shown.nth(place).get_attribute("aria-pressed") == "true"
    ana.tab.locator(".index").fill("9999")
    ana.tab.locator(".index").press("Tab")
    assert ana.tab.locator(".index").input_value() == "159"
    how = ana.tab.locator(".how").text_content()
    assert f"one of {finding.units} units" in how
    assert f"the best reaches {round(100 * finding.chance)}" in how


def test_a_model_without_such_units_says_so(models: dict[str, Model], reading: Open) -> None:
    assert find_units(models["dull"]).found == []
    ana = reading("es-MX", "?model=dull&text=hola")
    ana.shows(models["dull"], "hola")
    ana.units()
    assert ana.tab.locator(".found li").count() == 0
    assert "En este modelo ninguna neurona llega a 85" in ana.tab.locator(".searching").inner_text()
    assert ana.tab.locator(".index").input_value() == "0"


def test_each_next_letter_joins_the_text_and_a_step_back_takes_it_away(
    hybrid: Model, models: dict[str, Model], reading: Open
) -> None:
    ana = reading("es-MX", "?model=municipios&text=San%20")
    text = "San "
    for part in ("network", "ngram", "both"):
        seen = ana.shows(hybrid, text)
        character = seen.next[part][1][0]
        before = ana.tab.locator(".cells").inner_html()
        ana.tab.locator(f".part.{part} button").nth(1).click()
        text += character
        ana.shows(hybrid, text)
        assert ana.text() == text
        assert ana.tab.locator(".cells").inner_html() != before, "its memory changes"
    ana.tab.get_by_role("button", name=say("es", "inside.back")).click()
    ana.shows(hybrid, text[:-1])
    assert ana.tab.locator(".part h3").all_text_contents() == [
        say("es", f"inside.part.{part}") for part in ("network", "both", "ngram")
    ]
    ana.type("Tlaxcala")
    ends = [c for c, _ in ana.shows(hybrid, "Tlaxcala").next["both"]].index("")
    ana.tab.locator(".part.both button").nth(ends).click()
    ana.shows(hybrid, "Tlaxcala\n")
    assert ana.text() == "Tlaxcala\n", "a name is over: the next one begins"
    ana.tab.locator("#inside-model").select_option("towns")
    ana.type("ma")
    ana.shows(models["towns"], "ma")
    assert ana.tab.locator(".part").count() == 1, "a model without an n-gram"


def test_another_temperature_is_the_servers_own(models: dict[str, Model], reading: Open) -> None:
    ana = reading("en-US", "?model=poem&text=hola")
    seen = ana.shows(models["poem"], "hola")
    slider = ana.tab.get_by_label(say("en", "inside.temperature"))
    for temperature in (0.5, 1.0, 1.75):
        slider.fill(str(temperature))
        warmed = warm([Prediction(c, p) for c, p in seen.next["both"]], temperature)
        shown = ana.tab.locator(".part .percent").all_text_contents()
        assert shown == [percent("en", p) for _, p in warmed[:6]]
        bits = -sum(p * math.log2(p) for _, p in warmed if p)
        assert f"{bits:.2f} bits" in ana.tab.locator(".entropy").inner_text()
        assert f"{2**bits:.1f} letters" in ana.tab.locator(".entropy").inner_text()
    slider.fill("0")
    assert ana.tab.locator(".part .percent").all_text_contents()[:2] == ["100%", "<0.1%"]
    assert "0.00 bits" in ana.tab.locator(".entropy").inner_text()


def test_keys_alone_are_enough(models: dict[str, Model], reading: Open) -> None:
    ana = reading("en-US", "?model=poem&text=" + quote("hola mar\nabc"))
    seen = ana.shows(models["poem"], "hola mar\nabc")
    keys = ana.tab.keyboard
    letters = ana.tab.get_by_role("listbox")
    ana.tab.locator("[data-view=unit]").focus()
    keys.press("Tab")
    assert letters.evaluate("node => node === document.activeElement")
    active = """() => {
      const box = document.querySelector('.letters');
      return [...box.children].findIndex((l) => l.id === box.getAttribute('aria-activedescendant'));
    }"""
    for key, place in (
        *(("ArrowRight", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("End", 11), ("ArrowUp", 2)),
        *(("ArrowDown", 11), ("Home", 0), ("ArrowLeft", 0), ("ArrowRight", 1)),
    ):
        keys.press(key)
        assert ana.tab.evaluate(active) == place, key
    label = letters.locator("[aria-selected=true]").get_attribute("aria-label")
    assert label == f"o, {seen.bits[1]:.1f} bits"
    spoken = ana.tab.locator(".inside .spoken").text_content()
    assert spoken.startswith("It expected: ")
    assert f"{seen.expected[1][0][0]} {percent('en', seen.expected[1][0][1])}" in spoken
    ana.tab.locator("[data-view=unit]").focus()
    keys.press("Enter")
    ana.tab.wait_for_function("document.querySelector('.index').value !== ''")
    ana.tab.locator(".index").focus()
    keys.press("ArrowUp")
    keys.press("Tab")
    ana.tab.wait_for_function("/value/.test(document.querySelector('.detail .said').textContent)")
    ana.tab.wait_for_selector(".letters[aria-busy=false]")
    ana.tab.locator(".part button").first.focus()
    keys.press("Space")
    ana.shows(models["poem"], "hola mar\nabc" + seen.next["both"][0][0])


def test_a_link_brings_back_model_text_and_unit(hybrid: Model, site: str, reading: Open) -> None:
    ana = reading("es-MX", "?model=municipios&text=San%20Juan&unit=c_0.27")
    ana.shows(hybrid, "San Juan")
    ana.tab.wait_for_function("document.querySelector('.index').value === '27'")
    assert ana.tab.locator(".state").input_value() == "c_0"
    ana.type("Santa Ana")
    ana.shows(hybrid, "Santa Ana")
    ana.tab.get_by_role("button", name=say("es", "inside.link")).click()
    ana.tab.wait_for_function("location.hash.includes('Santa')")
    link = ana.tab.evaluate("location.hash")
    assert link == "#inside?model=municipios&text=Santa+Ana&unit=c_0.27"
    ben = reading("en-US", link.removeprefix("#inside"))
    ben.shows(hybrid, "Santa Ana")
    ben.tab.evaluate("charmodels.visit('inside', { model: 'municipios', text: 'Oaxaca' })")
    ben.shows(hybrid, "Oaxaca")


@pytest.mark.parametrize(
    "link",
    [
        "?model=nobody&unit=c_0.99999&text=" + quote(HOSTILE),
        "?model=__proto__&unit=__proto__.0&text=" + quote(HOSTILE),
        "?unit=toString.1&text=b&text=" + quote(HOSTILE),
    ],
)
def test_a_hostile_link_does_no_harm(models: dict[str, Model], reading: Open, link: str) -> None:
    ana = reading("es-MX", link)
    ana.shows(models["towns"], HOSTILE)
    assert ana.tab.locator("#inside :is(img, b:not(.peaks b), script)").count() == 0
    assert ana.tab.locator("[data-view=surprise]").get_attribute("aria-pressed") == "true"
    assert HOSTILE in ana.tab.locator("#inside-model option").first.text_content()


def test_what_cannot_be_read_is_said_and_what_was_shown_stays(
    models: dict[str, Model], reading: Open
) -> None:
    ana = reading("en-US", "?model=towns&text=ma")
    ana.shows(models["towns"], "ma")
    ana.type("ma日€")
    alert = ana.tab.locator(".inside [role=alert]")
    alert.wait_for()
    assert "does not know «日», «€»" in alert.inner_text()
    ana.tab.locator(".part button").first.click()
    assert ana.text() == "ma日€", "the list belongs to another text"
    ana.type("mar")
    ana.shows(models["towns"], "mar")
    assert not alert.is_visible()


def test_learn_leads_here_with_its_text(models: dict[str, Model], reading: Open) -> None:
    ana = reading("en-US")
    ana.tab.get_by_role("tab", name=say("en", "tab.learn")).click()
    ana.tab.locator("#learn-model").select_option("poem")
    ana.tab.locator("#learn-text").fill("mar y sol")
    ana.tab.get_by_role("button", name=say("en", "learn.dive")).click()
    ana.shows(models["poem"], "mar y sol")
    assert ana.tab.locator("#inside-model").input_value() == "poem"


def test_the_switch_speaks_to_the_tab_and_everything_has_a_name(
    models: dict[str, Model], reading: Open
) -> None:
    ana = reading("es-MX", "?model=towns&text=ma")
    ana.shows(models["towns"], "ma")
    ana.tab.get_by_role("radio", name="English").check(force=True)
    ana.language = "en"
    ana.tab.get_by_role("tab", name=say("en", "tab.inside")).wait_for()
    ana.shows(models["towns"], "ma")
    ana.units()
    body = ana.tab.locator(".inside").inner_text()
    for key in ("inside.bench", "inside.unit.text", "inside.next", "inside.memory"):
        assert say("en", key) in body
        assert say("es", key) not in body
    tree = ana.tab.locator("body").aria_snapshot()
    roles = "button|textbox|combobox|spinbutton|slider|listbox|option|tab|tabpanel|region"
    nameless = re.findall(rf"^\s*- (?:{roles})(?!\s*['\"])(?::.*)?$", tree, re.MULTILINE)
    assert nameless == []
    for named in ('combobox "Model"', 'textbox "Your text"', 'spinbutton "Number"'):
        assert named in tree


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(
    models: dict[str, Model], reading: Open, scheme: str
) -> None:
    ana = reading("en-US", "?model=poem&text=" + quote("hola mar y sol"), color_scheme=scheme)
    ana.shows(models["poem"], "hola mar y sol")
    ana.tab.locator(".letter[role=option]").first.click()
    ana.units()
    for selector in (
        *(".explain", ".sum", ".said", ".entropy", ".back", ".index", ".inside .hint", ".legend"),
        *(".any span", ".part h3", ".part .percent", ".inside summary"),
    ):
        contrast = ana.tab.locator(selector).first.evaluate(CONTRAST)
        assert contrast >= 4.5, f"{selector} in {scheme}: {contrast:.1f}"
    letter = ana.tab.locator(".letter[role=option]").first
    measure = (
        f"(node, name) => {{ node.className = `letter ${{name}}`; return ({CONTRAST})(node); }}"
    )
    for name in [f"{sign} level-{n}" for sign in ("positive", "negative") for n in range(5)]:
        contrast = letter.evaluate(measure, name)
        assert contrast >= 4.5, f"{name} in {scheme}: {contrast:.1f}"


def test_the_guard_against_sideways_scrolling_can_fail(reading: Open) -> None:
    ana = reading(**PHONE)
    ana.tab.evaluate("document.querySelector('.inside h2').style.width = '500px'")
    assert ana.sideways() > 0
