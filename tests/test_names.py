"""The Names tab: a wish checked and granted, and the real tab driven by Chromium."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import httpx
import pytest

from charmodels.runtime import ConstraintError, Model, load_bundle
from charmodels.runtime.bundle import read_bundle
from charmodels.runtime.membership import Membership
from demo import names
from demo.chat import Refusal
from demo.names import Named, check_wish, patterns, write_names
from demo.pages.names import answer, verdict
from demo.shelf import Speaker, open_shelf
from demo.words import LANGUAGES, say
from tests import tiny
from tests.browser import CONTRAST, complaints, profiles
from tests.serving import served

HOSTILE = "<img src=x onerror=alert(1)>"
MARKS = HOSTILE + "${}`&;*_/-=+@\"',ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEED = 7
STORE = "if (location.protocol !== 'about:') localStorage['charmodels.favourites'] = %s"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
}
SCREENS = [
    pytest.param("en-US", WIDE, id="en, desktop"),
    pytest.param("es-MX", PHONE, id="es, phone"),
    pytest.param("es-MX", WIDE, id="es, desktop", marks=pytest.mark.slow),
    pytest.param("en-US", PHONE, id="en, phone", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`towns` knows its first two names, one of them but for a letter; `plain` has no filter."""
    folder = tmp_path_factory.mktemp("bundles")
    symbols = tuple(dict.fromkeys((*tiny.SYMBOLS, *MARKS)))
    with mock.patch.object(tiny, "SYMBOLS", symbols):
        tiny.write_tiny(folder / "poem", "text", seed=1)
    with mock.patch.object(tiny, "SYMBOLS", tuple(s for s in symbols if s != "\n")):
        for name, hidden in (("towns", 16), ("plain", 16), ("slow", 896)):
            tiny.write_tiny(folder / name, "names", hidden=hidden)
    first, second, *_ = load_bundle(folder / "towns").generate(2, seed=SEED)
    for name in ("towns", "plain", "slow"):
        path = folder / name / "bundle.json"
        bundle = read_bundle(path.parent)
        if name == "towns":
            learned = Membership.of([first, second + "a", "otro"], bundle.vocabulary)
            bundle = replace(bundle, membership=learned)
        title = HOSTILE if name == "towns" else name
        bundle = replace(bundle, provenance={"title": title})
        path.write_text(bundle.to_json(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def towns(folder: Path) -> Model:
    return load_bundle(folder / "towns")


# ---- without a browser --------------------------------------------------------------------------


def last(growing: Iterator[tuple[Named, ...]]) -> list[Named]:
    *_, written = growing
    return list(written)


def test_names_are_the_models_each_with_its_standing_and_its_cost(towns: Model) -> None:
    written = last(write_names(towns, check_wish(towns, seed=SEED)))
    assert [each.name for each in written] == towns.generate(10, seed=SEED)
    assert [each.standing for each in written] == ["known", "near", *["new"] * 8]
    costs = [float(towns.score(each.name).sum()) for each in written]
    assert [each.nats for each in written] == pytest.approx(costs)


def test_ten_more_are_the_next_rows_of_the_seed(towns: Model) -> None:
    twice = [last(write_names(towns, check_wish(towns, seed=SEED, first=n))) for n in (0, 10)]
    assert [each.name for ten in twice for each in ten] == towns.generate(20, seed=SEED)


def test_a_model_without_a_filter_says_nothing_of_standing(folder: Path) -> None:
    plain = load_bundle(folder / "plain")
    assert {each.standing for each in last(write_names(plain, check_wish(plain)))} == {None}
    with pytest.raises(Refusal) as caught:
        check_wish(plain, novel=True)
    assert caught.value.setting == "novel"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"starts": "日"}, "starts"),
        ({"ends": "a\x00"}, "ends"),
        ({"contains": ["a"]}, "contains"),
        ({"pattern": None}, "pattern"),
        ({"starts": "a" * 101}, "starts"),
        ({"pattern": "a" * 101}, "pattern"),
        ({"shortest": 0}, "shortest"),
        ({"shortest": 2.5}, "shortest"),
        ({"longest": 101}, "longest"),
        ({"longest": "x"}, "longest"),
        ({"shortest": 9, "longest": 8}, "shortest"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"seed": -2}, "seed"),
        ({"seed": {}}, "seed"),
        ({"count": 21}, "count"),
        ({"first": 1000}, "first"),
    ],
)
def test_a_wish_outside_its_limits_is_refused_by_the_name_of_its_field(
    towns: Model, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refusal) as caught:
        check_wish(towns, **wrong)
    assert caught.value.setting == field
    assert field == "first" or all(caught.value.said(language) for language in LANGUAGES)


@pytest.mark.parametrize("speaker", open_shelf()[:5], ids=lambda s: s.name)
def test_every_pattern_to_try_finds_names(speaker: Speaker) -> None:
    assert speaker.name in names._PATTERNS
    for pattern in patterns(speaker):
        wish = check_wish(speaker.model, pattern=pattern, seed=1, count=3)
        written = last(write_names(speaker.model, wish))
        assert len(written) == 3
        for each in written:
            assert re.fullmatch(pattern, each.name), f"{each.name!r} for {pattern}"


def test_a_model_of_ones_own_has_patterns_that_find_names(folder: Path) -> None:
    (speaker,) = open_shelf([folder / "plain"], shipped=folder / "none")
    for pattern in patterns(speaker):
        wish = check_wish(speaker.model, pattern=pattern, count=2)
        for each in last(write_names(speaker.model, wish)):
            assert re.fullmatch(pattern, each.name)


@pytest.fixture(scope="module")
def shelf(folder: Path) -> dict[str, Speaker]:
    own = [folder / name for name in ("towns", "plain")]
    return {speaker.name: speaker for speaker in open_shelf(own, shipped=folder / "none")}


def test_an_answer_grows_and_ends_with_what_the_page_needs(shelf: dict[str, Speaker]) -> None:
    asked = {"id": 3, "model": "towns", "seed": SEED, "language": "es"}
    *_, told = answer(shelf, asked)
    assert (told["id"], told["seed"], told["next"], told["done"]) == (3, SEED, 10, True)
    assert not told["few"]
    assert len(told["names"]) == 10
    json.dumps(told)


def test_a_search_that_finds_nothing_new_stops_for_others_on_its_way(towns: Model) -> None:
    seen: list[str | None] = []
    known = "otro|" + re.escape(*towns.generate(1, seed=SEED))

    def search() -> None:
        for each in towns.generate_steadily(3, pattern=known, novel=True):
            seen.append(each)

    with pytest.raises(ConstraintError, match="new"):
        search()
    assert set(seen) == {None}
    assert len(seen) > 50


def test_where_no_more_new_names_are_found_the_answer_ends_without_a_refusal(
    shelf: dict[str, Speaker],
) -> None:
    asked = {"model": "towns", "pattern": "otro", "seed": SEED}
    *_, told = answer(shelf, asked)
    assert {each["name"] for each in told["names"]} == {"otro"}
    (told,) = answer(shelf, asked | {"novel": True})
    assert (told["names"], told["few"], told["done"], told["refused"]) == ([], True, True, None)


@pytest.mark.parametrize(
    ("asked", "field", "told"),
    [
        ({"pattern": "a(b"}, "pattern", "«(b» (carácter 2)"),
        ({"pattern": "a|*"}, "pattern", "«*» (carácter 3)"),
        ({"pattern": "a\\"}, "pattern", "carácter 2"),
        ({"ends": "a", "pattern": "b"}, "pattern", "Ningún nombre"),
        ({"starts": "abc", "longest": 2}, "starts", "Ningún nombre"),
        ({"pattern": "MARÍA"}, "pattern", "Podría con «MARIA»"),
        ({"pattern": "(a{40}){60}"}, "pattern", "demasiadas posibilidades"),
    ],
)
def test_what_cannot_be_asked_is_said_in_spanish_under_its_field(
    shelf: dict[str, Speaker], asked: dict[str, Any], field: str, told: str
) -> None:
    for ask in (verdict, lambda *given: next(answer(*given))):
        refused = ask(shelf, {"model": "towns", "language": "es", **asked})["refused"]
        assert refused["field"] == field
        assert told in refused["text"]


@pytest.mark.parametrize("asked", [None, [], "x", {}, {"model": ["towns"]}, {"model": "poem"}])
def test_whatever_a_browser_sends_gets_a_plain_refusal(
    shelf: dict[str, Speaker], asked: object
) -> None:
    (told,) = answer(shelf, asked)
    assert told["refused"]["text"]
    assert verdict(shelf, asked)["refused"]["text"]


def test_a_refusal_is_in_the_visitors_language_and_names_its_field(
    shelf: dict[str, Speaker],
) -> None:
    asked = {"model": "towns", "shortest": 9, "longest": 3}
    for language in LANGUAGES:
        told = verdict(shelf, asked | {"language": language})["refused"]
        expected = say(language, "refusal.order", shortest=9, longest=3)
        assert told == {"field": "shortest", "text": expected}
    asked = {"model": "towns", "count": 10**9, "longest": 30}
    assert verdict(shelf, asked)["refused"] is None, "how many is not the browser's to say"


# ---- a server and a browser ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    bundles = [folder / name for name in ("towns", "plain", "slow", "poem")]
    with served(bundles) as (address, _):
        yield address


def test_programs_get_names_with_their_standing(address: str, towns: Model) -> None:
    from gradio_client import Client  # type: ignore[import-untyped]

    client = Client(address, verbose=False)
    told = client.predict("towns", seed=SEED, count=4, api_name="/names")
    assert [each["name"] for each in told] == towns.generate(4, seed=SEED)
    assert [each["standing"] for each in told] == ["known", "near", "new", "new"]
    told = client.predict("plain", starts="ma", ends="a", shortest=4, api_name="/names")
    assert len(told) == 10
    for each in told:
        assert re.fullmatch("ma.+a", each["name"])
        assert each["standing"] is None
    assert client.predict("towns", pattern="otro", novel=True, api_name="/names") == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["poem"], "no model called"),
        (["towns", 21], "count is 21"),
        (["towns", 10, "日"], "does not know «日»"),
        (["towns", 10, "", "", "", 9, 3], "from 9 to 3"),
        (["plain", 10, "", "", "", 1, 100, "", True], "no way to tell"),
    ],
)
def test_programs_are_refused_in_plain_words(
    address: str, arguments: list[Any], reason: str
) -> None:
    defaults = [None, 10, "", "", "", 1, 100, "", False, 0.8, -1]
    data = [*arguments, *defaults[len(arguments) :]]
    answer = httpx.post(f"{address}/gradio_api/call/names", json={"data": data})
    told = httpx.get(f"{address}/gradio_api/call/names/{answer.json()['event_id']}").text
    assert "event: error" in told
    assert reason in json.loads(told.split("data: ")[-1])["error"]


class Visitor:
    """A visitor on the Names tab."""

    def __init__(self, tab: Any, address: str) -> None:
        self.tab, self.address = tab, address

    def open(self, settings: str = "") -> None:
        self.tab.goto("about:blank")  # else only the fragment would change
        self.tab.goto(f"{self.address}#names{settings}")
        self.tab.wait_for_selector("html.ready", state="attached")
        self.tab.locator(".names .ten").wait_for()

    def fill(self, **fields: str) -> None:
        self.tab.evaluate("document.querySelectorAll('.wish details').forEach(d => d.open = true)")
        for name, text in fields.items():
            self.tab.locator(f"#names-{name}").fill(text)

    def choose(self, model: str) -> None:
        self.tab.locator("#names-model").select_option(model)

    def ask(self, button: str = ".ten") -> list[str]:
        """Ask, wait for the end, and give all names shown."""
        before = self.tab.locator(".sheet .spoken").evaluate("node => (node.textContent = '')")
        self.tab.locator(f".names {button}").click()
        self.told()
        assert before == ""
        return self.names()

    def told(self) -> None:
        """Wait until the names asked for are there."""
        self.tab.wait_for_function("document.querySelector('.sheet .spoken').textContent")

    def names(self) -> list[str]:
        return list(self.tab.locator(".sheet .word").all_text_contents())

    def kept(self) -> list[str]:
        return list(self.tab.locator(".kept .word").all_text_contents())

    def refused(self) -> str:
        self.tab.locator(".names .refused").wait_for()
        return str(self.tab.locator(".names .refused").inner_text())

    def saved(self, button: str) -> list[list[str]]:
        """What a button downloads, as a spreadsheet reads it."""
        with self.tab.expect_download() as started:
            self.tab.locator(button).click()
        text = Path(started.value.path()).read_bytes().decode("utf-8")
        assert text.startswith("\ufeff")
        return list(csv.reader(io.StringIO(text[1:], newline="")))


Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def profile(chrome: Any) -> Callable[..., Any]:
    return profiles(chrome, timeout_ms=20_000, reduced_motion="reduce")


@pytest.fixture
def visit(address: str, profile: Callable[..., Any]) -> Iterator[Visit]:
    """Opens the tab as a new visitor; at the end nothing may have gone wrong there."""
    visitors: list[Visitor] = []
    complained: list[list[str]] = []

    def new(locale: str = "es-MX", settings: str = "", script: str = "", **options: Any) -> Visitor:
        tab = profile(locale=locale, **{**WIDE, **options}).new_page()
        if script:
            tab.add_init_script(script)
        complained.append(complaints(tab, address))
        visitors.append(Visitor(tab, address))
        visitors[-1].open(settings)
        return visitors[-1]

    yield new
    for visitor in visitors:
        visitor.tab.evaluate("try { localStorage.clear() } catch {}")
        visitor.tab.close()
    assert not [each for one in complained for each in one]


@pytest.mark.parametrize(("locale", "screen"), SCREENS)
def test_ten_names_and_ten_more_with_their_badges(
    visit: Visit, towns: Model, locale: str, screen: dict[str, Any]
) -> None:
    language = "es" if locale == "es-MX" else "en"
    ana = visit(locale, **screen)
    offered = ana.tab.locator("#names-model option").evaluate_all("all => all.map(o => o.value)")
    assert offered[:3] == ["towns", "plain", "slow"]
    assert "poem" not in offered
    assert "shakespeare" not in offered
    ana.fill(seed=str(SEED))
    assert ana.ask() == towns.generate(10, seed=SEED)
    assert ana.ask(".more") == towns.generate(20, seed=SEED)
    badges = ana.tab.locator(".sheet .badge").all_text_contents()
    nats = f"{towns.score(towns.generate(1, seed=SEED)[0]).sum():.1f}"
    assert badges[0] == f"{say(language, 'names.known')} · {nats} nats"
    assert badges[1].startswith(say(language, "names.near"))
    assert badges[2].startswith(say(language, "names.new"))
    spoken = ana.tab.locator(".sheet .spoken").text_content()
    assert spoken == say(language, "names.said", count=20, new=18, near=1, known=1)
    shapes = ana.tab.evaluate(
        """['known', 'near', 'new'].map(standing => {
          const mark = getComputedStyle(document.querySelector(`.badge.${standing}`), '::before');
          return [mark.borderRadius, mark.backgroundImage, mark.backgroundColor].join(' ');
        })"""
    )
    assert len(set(shapes)) == 3, "a mark is a shape, not only a colour"
    assert ana.tab.evaluate("document.documentElement.scrollWidth") == screen["viewport"]["width"]


def test_the_legend_states_how_often_the_filter_errs(visit: Visit, towns: Model) -> None:
    ana = visit("en-US", **PHONE)
    ana.ask()
    ana.tab.locator(".legend summary").click()
    assert ana.tab.evaluate("document.documentElement.scrollWidth") == 360
    learned = towns.bundle.membership
    assert learned is not None
    once = [1 / learned.false_positive_rate, 1 / learned.near_false_positive_rate]
    stated = ana.tab.locator(".legend .rate").inner_text()
    told = [float(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", stated)]
    assert told == pytest.approx(once, rel=0.05)
    ana.choose("plain")
    ana.ask()
    assert ana.tab.locator(".legend .rate").is_hidden()
    assert ana.tab.locator("#names-novel").is_disabled()
    assert re.fullmatch(r"[\d.]+ nats", ana.tab.locator(".sheet .badge").first.inner_text())


def test_filters_hold_for_every_name_and_only_new_ones_come(visit: Visit) -> None:
    ana = visit()
    ana.fill(starts="a", contains="o", ends="s", shortest="4", longest="9", seed=str(SEED))
    for name in ana.ask():
        assert re.fullmatch("a.*o.*s", name)
        assert 4 <= len(name) <= 9
    assert ana.tab.locator(".wish .active").inner_text() == "(5)"
    ana.fill(starts="", contains="", ends="", shortest="", longest="", pattern="(ma|se).*[aeiou]")
    assert all(re.fullmatch("(ma|se).*[aeiou]", name) for name in ana.ask())
    ana.fill(pattern="")
    ana.tab.locator("#names-novel").check()
    ana.ask()
    badges = ana.tab.locator(".sheet .badge").all_text_contents()
    assert len(badges) == 10
    assert all(badge.startswith(("nuevo", "a una letra")) for badge in badges)


def test_patterns_to_try_fill_the_box(visit: Visit) -> None:
    ana = visit()
    ana.choose("dinosaurs")
    ana.tab.get_by_role("button", name=".*saurus").click()
    assert ana.tab.locator("#names-pattern").input_value() == ".*saurus"
    assert all(name.endswith("saurus") for name in ana.ask())


def test_an_impossible_pattern_is_said_before_anything_is_asked(visit: Visit) -> None:
    ana = visit()
    changed = "said => !['', said].includes(document.querySelector('.names .refused').textContent)"
    ana.fill(pattern="(ma")
    broken = ana.refused()
    assert broken.startswith("No entiendo el patrón a partir de «(ma» (carácter 1).")
    ana.fill(pattern="ma", shortest="3")
    ana.tab.wait_for_function(changed, arg=broken)
    impossible = ana.refused()
    assert impossible == say("es", "refusal.impossible")
    assert ana.tab.locator("#names-pattern").get_attribute("aria-invalid") == "true"
    ana.tab.get_by_role("radio", name="English").check(force=True)
    ana.tab.wait_for_function(changed, arg=impossible)
    assert ana.refused() == say("en", "refusal.impossible")
    assert ana.tab.locator(".sheet .word").count() == 0
    ana.fill(pattern="ma.*")
    ana.tab.locator(".names .refused").wait_for(state="hidden")
    assert len(ana.ask()) == 10


def test_a_refusal_stands_under_its_field_and_marks_are_ordinary_characters(visit: Visit) -> None:
    ana = visit()
    ana.fill(contains="日" + HOSTILE)
    assert "«日»" in ana.refused()
    after = "document.querySelector('.refused').previousElementSibling"
    assert ana.tab.evaluate(f"{after}.querySelector('input').id") == "names-contains"
    ana.fill(contains="<b>")
    ana.tab.locator(".names .refused").wait_for(state="hidden")
    assert all("<b>" in name for name in ana.ask())
    ana.tab.locator(".sheet .name").first.click()
    assert "<b>" in ana.kept()[0]
    ana.fill(contains="", pattern=HOSTILE)
    ana.ask()
    titles = ana.tab.locator("#names-model option").first.text_content()
    assert titles.startswith(HOSTILE)
    assert ana.tab.locator(".names :is(img, b, script)").count() == 0


def test_favourites_stay_in_this_browser_for_each_model(visit: Visit, towns: Model) -> None:
    ana = visit()
    ana.fill(seed=str(SEED))
    first, second, *_ = ana.ask()
    for place in (0, 1, 2):
        ana.tab.locator(".sheet .name").nth(place).click()
    ana.tab.locator(".sheet .name").nth(2).click()
    assert ana.tab.locator(".sheet [aria-pressed=true]").count() == 2
    ana.choose("plain")
    assert ana.kept() == []
    ana.ask()
    ana.tab.locator(".sheet .name").first.click()
    ana.open()
    assert ana.kept() == [first, second]
    assert "♥" in str(ana.tab.locator("#names-model option").nth(1).text_content())
    badges = ana.tab.locator(".kept .badge").all_text_contents()
    assert badges == ["en la lista", "a una letra"]
    ana.tab.get_by_role("button", name=f"Quitar {first}", exact=True).click()
    assert ana.kept() == [second]
    ana.open()
    assert ana.kept() == [second]
    requests: list[str] = []
    ana.tab.on("request", lambda request: requests.append(request.post_data or ""))
    ana.fill(seed=str(SEED))
    ana.ask()
    ana.tab.locator(".sheet .name").nth(4).click()
    asked = [body for body in requests if body]
    assert asked
    assert not any(second in body for body in asked), "favourites are nobody else's"


def test_where_storage_is_refused_favourites_last_for_the_visit(visit: Visit) -> None:
    ana = visit(
        script="""Object.defineProperty(window, 'localStorage', {
          get() { throw new DOMException('no', 'SecurityError'); } });"""
    )
    first = ana.ask()[0]
    ana.tab.locator(".sheet .name").first.click()
    assert ana.kept() == [first]
    assert "lo que esta visita" in ana.tab.locator(".kept .hint").inner_text()


def test_what_others_left_in_storage_does_no_harm(visit: Visit) -> None:
    good = {"name": "maria", "standing": "new", "seed": 1, "settings": "model=towns"}
    left = {
        "towns": [{"name": HOSTILE}, 3, None, {**good, "standing": "toString"}, good],
        "__proto__": "x",
        "plain": "none",
    }
    assert visit(script=STORE % json.dumps(json.dumps(left))).kept() == ["maria"]
    assert visit(script=STORE % "'{'").kept() == []


def test_a_spreadsheet_reads_the_names_and_runs_no_formula(visit: Visit) -> None:
    ana = visit()
    ana.fill(starts="=", contains='"', ends=",a", seed=str(SEED))
    shown = ana.ask()
    ana.tab.locator(".sheet .name").nth(1).click()
    head, *rows = ana.saved(".sheet .csv")
    assert head == ["name", "model", "standing", "seed", "settings"]
    assert [row[0] for row in rows] == [f"'{name}" for name in shown]
    assert {tuple(row[1:4]) for row in rows} == {("towns", "new", str(SEED))}
    settings = parse_qs(rows[0][4])
    assert settings["starts"] == ["="]
    assert settings["contains"] == ['"']
    _, kept = ana.saved(".kept .csv")
    assert kept == rows[1]
    for start in "+-@":
        ana.fill(starts=start, contains="", ends="")
        ana.ask()
        assert all(row[0].startswith(f"'{start}") for row in ana.saved(".sheet .csv")[1:])


def test_a_link_brings_the_same_names_to_somebody_else(visit: Visit, towns: Model) -> None:
    ana = visit()
    ana.fill(starts="ma", ends="a", longest="12", seed=str(SEED))
    ana.tab.locator("#names-temperature").fill("1.1")
    ana.tab.locator("#names-novel").check()
    shown = ana.ask()
    ana.tab.locator(".sheet .share").click()
    ana.tab.get_by_text("Enlace copiado").wait_for()
    link = ana.tab.evaluate("location.hash")
    assert link.startswith("#names?model=towns&")
    ben = visit("en-US", link.removeprefix("#names"))
    ben.told()
    assert ben.names() == shown
    assert ben.tab.locator("#names-longest").input_value() == "12"
    assert ben.tab.locator("#names-novel").is_checked()
    assert ben.tab.locator("#names-temperature").input_value() == "1.1"
    ben.tab.evaluate("location.hash = '#names?model=plain&starts=se&seed=3'")
    ben.tab.wait_for_function("document.querySelector('#names-model').value === 'plain'")
    ben.told()
    assert all(name.startswith("se") for name in ben.names())


HOSTILE_LINKS = [
    f"?model={HOSTILE}&starts={HOSTILE}&seed=1",
    "?model=__proto__&seed=constructor",
    "?%E0%A4%A&=&&model=%00",
    "?model=poem&seed=1",
    "?model=towns&temperature=1e999&balance=NaN&shortest=abc&longest=-5&novel=yes",
    "?model=towns&pattern=" + "a" * 5000,
]


def test_a_hostile_link_does_no_harm(visit: Visit) -> None:
    ana = visit(settings=HOSTILE_LINKS[0])
    for place, fragment in enumerate(HOSTILE_LINKS):
        if place:
            ana.tab.evaluate(f"location.hash = {json.dumps('#names' + fragment)}")
        if "model=towns" not in fragment:
            assert "no está en esta página" in ana.refused()
        assert ana.tab.locator(".names img").count() == 0
    ana.tab.wait_for_function("document.querySelector('#names-pattern').value.length === 100")
    ana.fill(pattern="")
    assert len(ana.ask()) == 10


def test_the_tab_works_with_keys_alone(visit: Visit) -> None:
    ana = visit()
    keys = ana.tab.keyboard
    ana.fill(seed=str(SEED))
    ana.tab.locator("#names-seed").focus()
    keys.press("Enter")
    ana.told()
    ana.tab.locator(".sheet .name").first.focus()
    keys.press("Space")
    keys.press("Tab")
    keys.press("Enter")
    assert ana.kept() == ana.names()[:2]
    ana.tab.locator(".kept .remove").first.focus()
    keys.press("Enter")
    assert ana.tab.evaluate("document.activeElement.className") == "remove"
    keys.press("Enter")
    assert ana.tab.evaluate("document.activeElement.id") == "names-kept"
    assert ana.kept() == []
    ana.tab.locator(".names .more").focus()
    keys.press("Enter")
    ana.tab.wait_for_function("document.querySelectorAll('.sheet .word').length === 20")
    assert ana.tab.evaluate("document.activeElement.className") == "more"


def test_stop_keeps_what_is_there_and_the_next_wish_is_granted(visit: Visit) -> None:
    ana = visit()
    ana.choose("slow")
    ana.fill(shortest="98", longest="100")
    ana.tab.locator(".names .ten").click()
    ana.tab.locator(".names .halt").wait_for()
    with ana.tab.expect_request("**/gradio_api/cancel"):
        ana.tab.locator(".names .halt").click()
    ana.tab.locator(".names:not(.busy)").wait_for()
    assert len(ana.names()) < 10
    ana.choose("towns")
    ana.fill(shortest="", longest="")
    assert len(ana.ask()) == 10


def test_the_language_changes_under_the_names(visit: Visit) -> None:
    ana = visit()
    shown = ana.ask()
    ana.tab.locator(".sheet .name").first.click()
    ana.tab.get_by_role("radio", name="English").check(force=True)
    ana.tab.get_by_role("button", name="Ten more").wait_for()
    assert ana.names() == shown
    assert all(" nats" in badge for badge in ana.tab.locator(".sheet .badge").all_text_contents())
    body = ana.tab.locator(".names").inner_text()
    for sentence in ("Starts with", "Pattern", "Only new", "Your favourites", "What the marks say"):
        assert sentence in body
    assert "nuevo" not in body
    assert ana.tab.locator(".sheet [aria-pressed=true]").count() == 1


def test_everything_that_can_be_used_has_a_name(visit: Visit) -> None:
    ana = visit("en-US")
    ana.ask()
    ana.tab.locator(".sheet .name").first.click()
    ana.fill()
    tree = ana.tab.locator(".names").aria_snapshot()
    roles = "button|textbox|slider|spinbutton|combobox|checkbox|link|list|group|form"
    nameless = re.findall(rf"^\s*- (?:{roles})(?!\s*['\"])(?::.*)?$", tree, re.MULTILINE)
    assert not [each for each in nameless if "list" not in each and "group" not in each], tree
    for named in ('combobox "Model"', 'textbox "Starts with"', 'group "Length"', "pressed"):
        assert named in tree


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visit: Visit, scheme: str) -> None:
    ana = visit(color_scheme=scheme)
    ana.ask()
    ana.tab.locator(".sheet .name").first.click()
    ana.fill()
    for selector in (".word", ".badge", ".facts", ".share", ".more", ".ten", ".wish .hint"):
        contrast = ana.tab.locator(f".names {selector}").first.evaluate(CONTRAST)
        assert contrast >= 4.5, f"{selector} in {scheme}: {contrast:.1f}"
