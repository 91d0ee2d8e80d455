"""The Learn tab: what it says of a text, and the real tab driven by Chromium."""

import inspect
import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from charmodels.runtime import Model, Prediction, load_bundle
from demo import look as looking
from demo.look import COUNT, SURPRISED, TEMPERATURES, face, level, look, percent, warm
from demo.words import LANGUAGES, Language, say
from tests import tiny
from tests.browser import CONTRAST, complaints
from tests.serving import ROOT, served

HOSTILE = "<img src=x onerror=alert(1)>"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
}
SCREENS = [
    pytest.param("es-MX", WIDE, id="es, desktop"),
    pytest.param("en-US", WIDE, id="en, desktop"),
    pytest.param("es-MX", PHONE, id="es, phone"),
    pytest.param("en-US", PHONE, id="en, phone"),
]
TONGUES: dict[str, Language] = {"es-MX": "es", "en-US": "en"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """`towns` (names) and `poem` (text), which know the characters that could break a page."""
    folder = tmp_path_factory.mktemp("bundles")
    symbols = tuple(dict.fromkeys((*tiny.SYMBOLS, *HOSTILE, *"${}`&;*_/-")))
    with mock.patch.object(tiny, "SYMBOLS", tuple(s for s in symbols if s != "\n")):
        tiny.write_tiny(folder / "towns", "names")
    with mock.patch.object(tiny, "SYMBOLS", symbols):
        tiny.write_tiny(folder / "poem", "text", seed=1)
    for name in ("towns", "poem"):
        path = folder / name / "bundle.json"
        facts = json.loads(path.read_text(encoding="utf-8"))
        model = {"arch": "lstm", "hidden_size": 16, "layers": 1}
        facts["provenance"] = {"title": f"{name} {HOSTILE}", "model": model}
        path.write_text(json.dumps(facts), encoding="utf-8")
    return {name: load_bundle(folder / name) for name in ("towns", "poem")}


@pytest.fixture(scope="module")
def folder(models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(tmp_path_factory.getbasetemp().glob("bundles*/towns")).parent


# ---- without a browser --------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_warmed_prediction_is_the_softmax_of_the_divided_scores(
    models: dict[str, Model], temperature: float
) -> None:
    model = models["poem"]
    memory = model.stream("hola", max_chars=0).memory
    logits, _ = model.step.step(np.array([memory.token]), memory.state)
    scores = logits[0].astype(np.float64)
    scores[0] = -np.inf  # a text never ends
    weights = np.exp(scores / temperature)
    weights /= weights.sum()
    everything = model.predict("hola", len(model.vocabulary))
    for character, probability in warm(everything, temperature):
        expected = weights[model.vocabulary.ids[character]]
        assert probability == pytest.approx(expected, rel=1e-5), f"{character!r} at {temperature}"


def test_warming_by_one_changes_nothing_and_an_impossible_character_stays_so() -> None:
    given = [Prediction("a", 0.75), Prediction("b", 0.25), Prediction("c", 0.0)]
    assert [p for _, p in warm(given, 1.0)] == pytest.approx([0.75, 0.25, 0])
    assert [p for _, p in warm(given, 0.5)] == pytest.approx([0.9, 0.1, 0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_look_agrees_with_the_model(models: dict[str, Model], language: Language) -> None:
    model = models["towns"]
    seen = look(model, "mar", language)
    assert [each.character for each in seen.next] == [c for c, _ in model.predict("mar", COUNT)]
    assert [each.character for each in seen.alone] == [c for c, _ in model.predict("r", 3)]
    bits = model.score("mar") / math.log(2)
    assert [cost.bits for cost in seen.costs] == pytest.approx(bits.tolist())
    assert seen.total == pytest.approx(bits.sum())
    assert seen.costs[-1].face.glyph == say(language, "learn.end")
    assert [[o.character for o in options] for options in seen.warmed][1] == [
        each.character for each in seen.next
    ]
    assert seen.numbers == 32, "h and c of 16"
    assert len(seen.memory) == 16
    assert all(-1 <= number <= 1 for number in seen.memory)


def test_a_memory_is_the_state_after_the_whole_text(models: dict[str, Model]) -> None:
    model = models["towns"]
    state = model.step.initial_state()
    for token in (0, *model.vocabulary.encode("mar")):
        _, state = model.step.step(np.array([token]), state)
    assert looking.memory_after(model, "mar")[0] == pytest.approx(state["h_0"][0], abs=1e-6)
    assert looking.memory_after(model, "ma")[0] != pytest.approx(state["h_0"][0], abs=1e-6)


def test_an_empty_text_has_predictions_and_no_costs(models: dict[str, Model]) -> None:
    for model in models.values():
        seen = look(model, "", "es")
        assert len(seen.next) == COUNT
        assert "" not in [each.character for each in seen.next], "an empty name is no name"
        assert (seen.costs, seen.alone, seen.last, seen.total) == ([], [], None, 0)


@pytest.mark.parametrize(
    ("character", "glyph", "spoken"),
    [
        ("a", "a", "a"),
        (" ", "␣", "espacio"),
        ("\n", "↵", "salto de línea"),
        ("", "fin", "fin del nombre"),
        ("\u0301", "\u25cc\u0301", "\u0301"),
        ("\u00a0", "U+00A0", "U+00A0"),
        ("\u202e", "U+202E", "U+202E"),
    ],
)
def test_every_character_is_visible(character: str, glyph: str, spoken: str) -> None:
    shown = face(character, "es")
    assert (shown.glyph, shown.spoken) == (glyph, spoken)


@pytest.mark.parametrize(
    ("probability", "spanish", "english"),
    [
        (1, "100\u00a0%", "100%"),
        (0.312, "31\u00a0%", "31%"),
        (0.0996, "10\u00a0%", "10%"),
        (0.0761, "7.6\u00a0%", "7.6%"),
        (0.0001, "<0.1\u00a0%", "<0.1%"),
    ],
)
def test_percentages_are_written_as_people_do(
    probability: float, spanish: str, english: str
) -> None:
    assert percent("es", probability) == spanish
    assert percent("en", probability) == english


def test_surprise_grows_through_the_colours() -> None:
    assert [level(bits) for bits in (0, 0.9, 1, 2, 5.9, 40)] == [0, 0, 1, 2, 3, 4]
    style = (ROOT / "demo/assets/page.css").read_text(encoding="utf-8")
    assert f".level-{len(SURPRISED)}" in style
    assert f".level-{len(SURPRISED) + 1}" not in style


@pytest.mark.parametrize("arch", ["rnn", "lstm", "gru"])
def test_the_equations_are_those_of_the_code(arch: str) -> None:
    source = (ROOT / f"charmodels/models/{arch}.py").read_text(encoding="utf-8")
    docstring = source.split("class ")[1].split('"""')[1]
    lines = [line.strip() for line in docstring.splitlines()]
    code = {re.split(r" {2,}", line)[0] for line in lines if re.match(r"\w_t = ", line)}
    lessons = (ROOT / "demo/assets/learn.html").read_text(encoding="utf-8")
    (lesson,) = re.findall(rf"<h3>{arch.upper()}</h3>.*?</article>", lessons, re.DOTALL)
    assert set(re.findall(r"<code>(.+?)</code>", lesson)) == code


def test_the_measured_figure_stands_in_its_lesson_once_it_is_made(tmp_path: Path) -> None:
    from demo.pages import learn

    without = tmp_path / "learn.html"
    without.write_text("<p></p><!-- reach -->", encoding="utf-8")
    with mock.patch.object(learn, "_ASSETS", tmp_path):
        assert learn._lessons() == "<p></p>"
        (tmp_path / "reach.svg").write_text("<svg/>", encoding="utf-8")
        assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in learn._lessons()
    real = (ROOT / "demo/assets/learn.html").read_text(encoding="utf-8")
    assert real.count("<!-- reach -->") == 1


def test_the_lessons_ask_no_other_host_and_break_no_template() -> None:
    lessons = (ROOT / "demo/assets/learn.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w|\$\{|\{\{|`", lessons)


@pytest.mark.parametrize("asked", [None, [], "x", {}, {"model": ["towns"]}, {"model": "nobody"}])
def test_a_strange_question_is_refused(models: dict[str, Model], asked: object) -> None:
    from demo.pages.learn import answer, begin
    from demo.shelf import Speaker

    shelf = {"towns": Speaker("towns", models["towns"], 1, shipped=False)}
    assert "Hay: towns" in answer(shelf, asked)["refused"]
    assert "Hay: towns" in next(begin(shelf, asked))["refused"]
    for text in (None, 7, "a" * 501, "日"):
        told = answer(shelf, {"model": "towns", "text": text, "language": "en", "id": 3})
        assert told["refused"]
        assert (told["id"], told["look"]) == (3, None)


# ---- a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with served([folder / "towns", folder / "poem"]) as (address, _):
        yield address


class Student:
    """A visitor on the Learn tab."""

    def __init__(self, tab: Any, language: Language) -> None:
        self.tab, self.language = tab, language

    def choose(self, model: str) -> None:
        self.tab.locator("#learn-model").select_option(model)

    def type(self, text: str) -> None:
        self.tab.locator("#learn-text").fill(text)

    def text(self) -> str:
        return str(self.tab.locator("#learn-text").input_value())

    def shows(self, model: Model, text: str) -> None:
        """Wait until the list is what `model` expects after `text`."""
        options = look(model, text, self.language).next
        expected = [[each.face.glyph, each.percent] for each in options]
        self.tab.wait_for_function(
            """expected => JSON.stringify([...document.querySelectorAll('.next .option')].map(
                 (row) => ['.glyph', '.percent'].map((s) => row.querySelector(s).textContent)))
               === expected""",
            arg=json.dumps(expected, ensure_ascii=False, separators=(",", ":")),
        )

    def sideways(self) -> int:
        """Pixels by which the page, or anything on the tab, is wider than its window.

        Gradio's boxes cut off what is too wide for them, so the page's own width is not enough.
        """
        return int(
            self.tab.evaluate(
                """() => {
                  const ends = [...document.querySelectorAll('.learn, .learn *:not(.unseen)')]
                    .map((node) => node.getBoundingClientRect().right);
                  const page = document.documentElement;
                  return Math.max(...ends, page.scrollWidth) - page.clientWidth;
                }"""
            )
        )


Study = Callable[..., Student]


@pytest.fixture
def study(site: str, chrome: Any) -> Iterator[Study]:
    """Opens the Learn tab for a new visitor; at the end nobody may have complained."""
    opened: list[tuple[Any, list[str]]] = []

    def new(locale: str = "es-MX", **options: Any) -> Student:
        calm = {**WIDE, "reduced_motion": "reduce"}
        window = chrome.new_context(locale=locale, **{**calm, **options})
        window.set_default_timeout(15_000)
        tab = window.new_page()
        opened.append((window, complaints(tab, site)))
        tab.goto(site)
        tab.wait_for_selector("html.ready", state="attached")
        language = TONGUES[locale]
        tab.get_by_role("tab", name=say(language, "tab.learn")).click()
        tab.locator(".next .option").first.wait_for()
        return Student(tab, language)

    yield new
    for window, _ in opened:
        window.close()
    assert not [complaint for _, told in opened for complaint in told]


@pytest.mark.parametrize(("locale", "screen"), SCREENS)
def test_predictions_follow_the_text_and_a_chosen_one_joins_it(
    models: dict[str, Model], study: Study, locale: str, screen: dict[str, Any]
) -> None:
    ana = study(locale, **screen)
    towns = models["towns"]
    assert ana.tab.get_by_role("textbox", name=say(ana.language, "learn.text")).is_visible()
    for text in ("m", "ma", "mar "):
        ana.type(text)
        ana.shows(towns, text)
    text = "mar "
    for rank in (0, 2):
        character = look(towns, text, ana.language).next[rank].character
        ana.tab.locator(".next button").nth(rank).click()
        text += character
        ana.shows(towns, text)
        assert ana.text() == text
    ana.tab.get_by_role("button", name=say(ana.language, "learn.undo")).click()
    ana.shows(towns, text[:-1])
    assert ana.sideways() <= 0
    ana.type("w" * 300)
    ana.shows(towns, "w" * 300)
    assert ana.sideways() <= 0


@pytest.mark.parametrize(("locale", "screen"), SCREENS)
def test_an_unknown_character_gives_the_sentence_and_nothing_to_choose(
    models: dict[str, Model], study: Study, locale: str, screen: dict[str, Any]
) -> None:
    ana = study(locale, **screen)
    ana.type("ma日€")
    alert = ana.tab.get_by_role("alert")
    alert.wait_for()
    assert "«日», «€»" in alert.inner_text()
    assert {"es": "no conoce", "en": "does not know"}[ana.language] in alert.inner_text()
    ana.tab.locator(".next button").first.click()
    assert ana.text() == "ma日€"
    ana.type("ma")
    ana.shows(models["towns"], "ma")
    assert not alert.is_visible()


@pytest.mark.parametrize(("locale", "screen"), SCREENS)
def test_the_lessons_follow_the_text_too(
    models: dict[str, Model], study: Study, locale: str, screen: dict[str, Any]
) -> None:
    ana = study(locale, **screen)
    towns = models["towns"]
    ana.type("marta")
    ana.shows(towns, "marta")
    bits = ana.tab.locator(".cost .bits").evaluate_all("all => all.map((one) => one.dataset.bits)")
    scored = towns.score("marta") / math.log(2)
    assert [float(each) for each in bits] == pytest.approx(scored.tolist())
    assert sum(map(float, bits)) == pytest.approx(scored.sum())
    shown = ana.tab.locator(".cost .bits").all_text_contents()
    assert shown == [f"{each:.1f}" for each in scored]
    assert f"{scored.sum():.1f} bits" in ana.tab.locator(".sum").inner_text()
    for cost, each in zip(ana.tab.locator(".cost").all(), scored, strict=True):
        assert f"level-{level(each)}" in cost.get_attribute("class")
    seen = look(towns, "marta", ana.language)
    columns = ana.tab.locator(".warmed > div")
    assert columns.count() == len(TEMPERATURES)
    for column, options in zip(columns.all(), seen.warmed, strict=True):
        assert column.locator(".percent").all_text_contents() == [o.percent for o in options]
    alone = ana.tab.locator(".alone .percent").all_text_contents()
    assert alone == [each.percent for each in seen.alone]
    assert "32" in ana.tab.locator(".numbers").inner_text()
    assert ana.tab.locator(".cells span").count() == 16
    assert "LSTM 16" in ana.tab.locator(".yours").inner_text()
    assert "3.60" in ana.tab.locator(".bits").last.inner_text()


def test_a_beginning_becomes_three_names_and_their_seed_repeats_them(
    models: dict[str, Model], study: Study
) -> None:
    ana = study()
    ana.type("ma")
    ana.tab.get_by_role("button", name="Escribir tres nombres").click()
    ana.tab.wait_for_function("document.querySelectorAll('.written li').length === 3")
    ana.tab.wait_for_selector(".written[aria-busy=false]")
    names = ana.tab.locator(".written li").all_text_contents()
    said = ana.tab.locator(".facts").last.inner_text()
    seed = int(said.removeprefix("semilla "))
    assert names == models["towns"].generate(3, prefix="ma", seed=seed)
    ana.choose("poem")
    assert ana.tab.locator(".written li").count() == 0
    ana.type("hola")
    ana.tab.get_by_role("button", name="Escribir una frase más").click()
    ana.tab.wait_for_selector(".written[aria-busy=false] .own")
    said = ana.tab.locator(".facts").last.inner_text()
    seed = int(said.removeprefix("semilla "))
    stream = models["poem"].stream("hola", seed=seed, max_chars=120)
    assert ana.tab.locator(".written .own").text_content() == "".join(stream)


def test_a_name_can_end_and_its_end_cannot_be_chosen(
    models: dict[str, Model], study: Study
) -> None:
    towns = models["towns"]
    beginnings = ("".join(letters) for letters in product("aeiourst", repeat=4))
    likeliest = ((text, [c for c, _ in towns.predict(text, COUNT)]) for text in beginnings)
    text, rank = next((text, found.index("")) for text, found in likeliest if "" in found)
    ana = study("en-US")
    ana.type(text)
    ana.shows(towns, text)
    end = ana.tab.locator(".next button").nth(rank)
    assert end.locator(".glyph").text_content() == "end"
    assert end.get_attribute("aria-disabled") == "true"
    end.click(force=True)
    ana.tab.wait_for_timeout(300)
    assert ana.text() == text


def test_spaces_and_line_breaks_are_seen_and_spoken(models: dict[str, Model], study: Study) -> None:
    poem = models["poem"]
    ana = study()
    ana.choose("poem")
    ana.tab.locator("#learn-text").fill("")
    ana.tab.keyboard.type("a b")
    ana.tab.keyboard.press("Enter")
    ana.shows(poem, "a b\n")
    assert ana.tab.locator(".cost .glyph").all_text_contents() == ["a", "␣", "b", "↵"]
    costs = ana.tab.locator(".cost").all_text_contents()
    assert "espacio" in costs[1]
    assert "salto de línea" in costs[3]
    ana.choose("towns")
    ana.type("ma")
    ana.tab.locator("#learn-text").press("Enter")
    assert ana.text() == "ma", "a name is one line"


def test_keys_alone_are_enough(models: dict[str, Model], study: Study) -> None:
    towns = models["towns"]
    ana = study()
    keys = ana.tab.keyboard
    ana.tab.get_by_role("tab", name="Escribir").click()
    for _ in range(8):  # the other tabs stand between
        keys.press("Tab")
        if ana.tab.evaluate("document.activeElement.textContent.trim()") == "Aprender":
            break
    keys.press("Enter")
    assert ana.tab.get_by_role("tab", name="Aprender").get_attribute("aria-selected") == "true"
    focused = "document.activeElement.id"
    for _ in range(4):
        keys.press("Tab")
        if ana.tab.evaluate(focused) == "learn-model":
            break
    assert ana.tab.evaluate(focused) == "learn-model"
    keys.press("Tab")
    keys.press("Control+a")
    keys.type("ma")
    ana.shows(towns, "ma")
    keys.press("Tab")
    text = "ma"
    for key in ("Enter", "Space"):
        text += look(towns, text, "es").next[0].character
        keys.press(key)
        ana.shows(towns, text)
        place = "[...document.querySelectorAll('.next button')].indexOf(document.activeElement)"
        assert ana.tab.evaluate(place) == 0, "the keyboard's place stays"
    assert ana.text() == text


def test_a_screen_reader_is_told_once_the_typing_rests(
    models: dict[str, Model], study: Study
) -> None:
    ana = study()
    ana.tab.evaluate(
        """() => {
          window.said = [];
          const place = document.querySelector('.spoken');
          new MutationObserver(() => said.push(place.textContent))
            .observe(place, { childList: true, characterData: true, subtree: true });
        }"""
    )
    ana.tab.locator("#learn-text").fill("")
    ana.tab.locator("#learn-text").press_sequentially("marta", delay=400)
    ana.shows(models["towns"], "marta")
    ana.tab.wait_for_function("said.length > 0")
    assert ana.tab.evaluate("said") == [look(models["towns"], "marta", "es").spoken]


def test_everything_has_a_name_and_every_diagram_a_description(study: Study) -> None:
    ana = study("en-US")
    tree = ana.tab.locator("body").aria_snapshot()
    roles = "button|textbox|combobox|tab|tabpanel|region|img|list"
    nameless = re.findall(rf"^\s*- (?:{roles})(?!\s*['\"])(?::.*)?$", tree, re.MULTILINE)
    assert [each for each in nameless if "list" not in each] == []
    for named in ('combobox "Model"', 'textbox "Your text"', 'img "LSTM cell', 'tab "Learn"'):
        assert named in tree
    assert re.search(r'button "add .+, .+%"', tree)


def test_the_switch_speaks_to_the_lessons_and_the_tabs(
    models: dict[str, Model], study: Study
) -> None:
    ana = study("es-MX")
    ana.type("ma")
    ana.shows(models["towns"], "ma")
    ana.tab.get_by_role("radio", name="English").check(force=True)
    ana.tab.get_by_role("tab", name="Learn").wait_for()
    ana.language = "en"
    ana.shows(models["towns"], "ma")
    body = ana.tab.locator(".learn").inner_text()
    for key in ("learn.bench", "learn.gates", "learn.warm.text", "learn.lstm.text"):
        assert say("en", key) in body
        assert say("es", key) not in body
    assert ana.text() == "ma"


def test_an_address_can_name_the_tab(site: str, study: Study) -> None:
    ana = study()
    assert ana.tab.url.endswith("#learn")
    ana.tab.reload()
    ana.tab.wait_for_selector("html.ready", state="attached")
    ana.tab.locator(".next .option").first.wait_for()
    ana.tab.get_by_role("tab", name="Escribir").click()
    assert ana.tab.url.endswith("#write")
    assert ana.tab.locator("#message textarea").is_visible()


def test_marks_are_ordinary_characters(models: dict[str, Model], study: Study) -> None:
    ana = study()
    for text in (HOSTILE, "${alert(1)}", "{{a}}", "&lt;b"):
        ana.type(text)
        ana.shows(models["towns"], text)
        assert text in ana.tab.locator(".echo").first.inner_text()
    assert ana.tab.locator("#learn :is(:not(.reach) > img, b, script)").count() == 0
    assert HOSTILE in ana.tab.locator("#learn-model option").first.text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(
    models: dict[str, Model], study: Study, scheme: str
) -> None:
    ana = study(color_scheme=scheme)
    ana.type("qzx marta")
    ana.shows(models["towns"], "qzx marta")
    shown = [".next .glyph", ".percent", ".hint", ".undo", ".echo", ".lessons p", "h4", ".begin"]
    levels = [f".level-{n}" for n in range(len(SURPRISED) + 1)]
    for place, name in enumerate(levels):  # whatever the text: all colours at once
        cost = ana.tab.locator(".cost").nth(place)
        cost.evaluate("(node, name) => (node.className = `cost ${name}`)", name.strip("."))
    for selector in (*shown, "[role=tab]:not(.selected)", *levels):
        contrast = ana.tab.locator(selector).first.evaluate(CONTRAST)
        assert contrast >= 4.5, f"{selector} in {scheme}: {contrast:.1f}"


# ---- the guards can fail ------------------------------------------------------------------------


def test_the_guard_against_sideways_scrolling_can_fail(study: Study) -> None:
    ana = study(**PHONE)
    ana.tab.evaluate("document.querySelector('.learn h2').style.width = '500px'")
    assert ana.sideways() > 0


def test_the_guard_of_the_equations_can_fail() -> None:
    check = inspect.unwrap(test_the_equations_are_those_of_the_code)
    read = Path.read_text

    def slipped(path: Path, **options: Any) -> str:
        return read(path, **options).replace("<code>h_t = o_t *", "<code>h_t = f_t *")

    with mock.patch.object(Path, "read_text", slipped), pytest.raises(AssertionError):
        check("lstm")
