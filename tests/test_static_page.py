"""The static page in Chromium: it writes what Python writes, alone, offline, and in a sandbox."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from charmodels.runtime import load_bundle
from demo.shelf import SHIPPED
from demo.words import WORDS
from tests.browser import CONTRAST, complaints, open_browser
from tests.hostile import HOSTILE
from tests.staging import hosted, staged
from tests.test_accessibility import VIOLATIONS, axe, unreached

__all__ = ["axe"]  # a fixture

READY = "html.ready"
WRITTEN = ".turn:last-child:not(.live) .again"
PATIENCE_MS = 60_000

DESKTOP = {"width": 1200, "height": 900}
PHONE = {"width": 360, "height": 740}

OPAQUE = "allow-scripts"
"""The hardest sandbox: no origin, so no storage, no workers, and no file without its leave."""

EMBEDDED = "allow-scripts allow-same-origin allow-forms allow-downloads"
"""As Spaces are embedded."""

REFUSING = """
const refuse = () => { throw new DOMException("refused", "SecurityError"); };
for (const name of ["localStorage", "caches"]) Object.defineProperty(window, name, { get: refuse });
Object.defineProperty(navigator, "serviceWorker", { get() { return undefined; } });
window.Worker = class { constructor() { refuse(); } };
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return staged(tmp_path_factory.getbasetemp()).folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(space: Path) -> Iterator[str]:
    with hosted(space) as address:
        yield address


@contextmanager
def opened(
    chromium: Any, address: str, path: str, forgiven: str = "nothing", **context: Any
) -> Iterator[Any]:
    """A tab of its own context on the page; nothing may be complained of but what is forgiven."""
    context = {"locale": "es-ES", "viewport": DESKTOP, **context}
    script = context.pop("script", "")
    made = chromium.new_context(**context)
    made.set_default_timeout(PATIENCE_MS)
    if script:
        made.add_init_script(script)
    tab = made.new_page()
    told = complaints(tab, address)
    tab.goto(f"{address}/{path}")
    try:
        yield tab
        assert not [complaint for complaint in told if forgiven not in complaint]
    finally:
        made.close()


def link(model: str, **keys: Any) -> str:
    return f"index.html#write?{urlencode({'model': model, **keys})}"


@pytest.mark.parametrize(
    ("language", "model", "prefix", "viewport", "scheme"),
    [
        ("es-MX", "municipios", "San ", DESKTOP, "light"),
        ("en-US", "shakespeare", "Hamlet:\n", PHONE, "dark"),
    ],
)
def test_a_link_writes_what_python_writes(
    language: str, model: str, prefix: str, viewport: Any, scheme: str, chromium: Any, address: str
) -> None:
    settings = {"temperature": 0.65, "seed": 11, "max_chars": 60}
    path = link(model, prefix=prefix, count=4, balance=-0.5, **settings)
    look = {"locale": language, "viewport": viewport, "color_scheme": scheme}
    with opened(chromium, address, path, **look) as tab:
        tab.wait_for_selector(WRITTEN)
        python = load_bundle(SHIPPED / model, trusted=True)
        count = 1 if python.endless else 4
        expected = python.generate(count, prefix=prefix, balance=-0.5, **settings)
        rows = tab.locator(".turn ol.reply li, .turn p.reply").all()
        assert [row.text_content() for row in rows] == expected
        assert tab.evaluate("document.documentElement.lang") == language[:2]
        assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        for place in (".facts", ".card dt", ".models label:has(:checked)", "#send", ".memory span"):
            if tab.locator(place).first.is_visible() and tab.locator(place).first.text_content():
                assert tab.eval_on_selector(place, CONTRAST) >= 4.5, place
        cells = tab.locator(".cell.doubt-4, .cell.doubt-3")
        if cells.count():
            assert cells.first.evaluate(CONTRAST) >= 4.5


def test_a_text_model_remembers_and_again_repeats_from_the_same_memory(
    chromium: Any, address: str
) -> None:
    settings = {"temperature": 0.7, "seed": 3, "max_chars": 80}
    with opened(chromium, address, link("biblia", prefix="Y dijo ", **settings)) as tab:
        tab.wait_for_selector(WRITTEN)
        tab.fill("#message", "El mar ")
        tab.press("#message", "Enter")
        tab.wait_for_selector(f".turn:nth-child(2){WRITTEN.removeprefix('.turn')}")
        python = load_bundle(SHIPPED / "biblia", trusted=True)
        stream = python.stream("Y dijo ", **settings)
        first = "Y dijo " + "".join(stream)
        second = "El mar " + "".join(python.stream("El mar ", memory=stream.memory, **settings))
        assert tab.locator("p.reply").all_text_contents() == [first, second]
        assert str(len(first + second)) in (tab.text_content("#memory") or "")
        tab.click(".turn:last-child .again")
        tab.wait_for_selector(f".turn:nth-child(2){WRITTEN.removeprefix('.turn')}")
        assert tab.locator("p.reply").all_text_contents() == [first, second]
        tab.click("#forget")
        assert tab.locator(".turn").count() == 0


def test_a_letter_tells_what_else_could_have_stood_there(chromium: Any, address: str) -> None:
    settings = {"temperature": 0.7, "seed": 3, "max_chars": 40}
    with opened(chromium, address, link("biblia", prefix="Y dijo ", **settings)) as tab:
        tab.wait_for_selector(WRITTEN)
        tab.locator(".cell").nth(5).click()
        tab.wait_for_selector("#place .options")
        written = (tab.text_content("p.reply") or "")[: len("Y dijo ") + 5]
        best = load_bundle(SHIPPED / "biblia", trusted=True).predict(written, 5)
        shown = tab.locator("#place .percent").all_text_contents()
        number = [float(text.replace("\N{NO-BREAK SPACE}", "").strip("<%")) for text in shown]
        assert number == pytest.approx([100 * each.probability for each in best], abs=0.51)
        before = tab.text_content("#place .percent")
        tab.fill("#what-if", "2")
        assert tab.text_content("#place .percent") != before
        tab.locator("p.reply").focus()
        tab.keyboard.press("ArrowRight")
        tab.wait_for_selector(".cell:nth-child(7).chosen")


def test_stop_leaves_what_stands_and_the_model_goes_on_from_there(
    chromium: Any, address: str
) -> None:
    with opened(chromium, address, "index.html") as tab:
        tab.wait_for_selector(READY)
        tab.click("#models label:has-text('Prosa')")
        tab.wait_for_selector("#loading:empty", state="attached")
        tab.fill("#max_chars", "2000")
        tab.fill("#message", "Y ")
        tab.press("#message", "Enter")
        tab.wait_for_selector(".turn.live .cell")
        tab.keyboard.press("Escape")
        tab.wait_for_selector(WRITTEN)
        length = len(tab.text_content("p.reply") or "")
        assert 3 <= length < 2000
        assert str(length) in (tab.text_content("#memory") or "").replace(
            "\N{NARROW NO-BREAK SPACE}", ""
        )
        assert "parado" in (tab.text_content(".facts") or "")


def test_it_is_all_there_without_a_network(chromium: Any, space: Path) -> None:
    """The first visit keeps the page; a model chosen then is kept too."""
    with hosted(space) as address, opened(chromium, address, "index.html") as tab:
        tab.wait_for_selector(READY)
        tab.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
        tab.click("#models label:has-text('Dinosaurios')")
        tab.wait_for_selector("#loading:empty", state="attached")
        tab.context.set_offline(True)
        for path in ("index.html", link("dinosaurs", prefix="tyr", seed=1)):
            tab.goto("about:blank")
            tab.goto(f"{address}/{path}")
            tab.wait_for_selector(READY)
        tab.wait_for_selector(WRITTEN)
        expected = load_bundle(SHIPPED / "dinosaurs", trusted=True).generate(
            10, prefix="tyr", seed=1
        )
        assert tab.locator(".turn li").all_text_contents() == expected


@pytest.mark.parametrize(
    ("sandbox", "script"), [(OPAQUE, ""), (EMBEDDED, REFUSING)], ids=["opaque", "embedded"]
)
def test_it_runs_in_a_sandbox_that_refuses_storage_and_workers(
    sandbox: str, script: str, chromium: Any, space: Path
) -> None:
    with (
        hosted(space, cors=sandbox == OPAQUE, frame=sandbox) as address,
        opened(chromium, address, "frame.html", "escape its sandboxing", script=script) as tab,
    ):
        frame = tab.frame_locator("iframe")
        frame.locator(READY).wait_for()
        frame.locator("#beginnings button").first.click()
        frame.locator(WRITTEN).wait_for()
        assert frame.locator(".turn li").count() == 10
        assert not tab.workers


def test_its_policy_lets_it_run_nothing_but_its_own_files(chromium: Any, address: str) -> None:
    with opened(chromium, address, "index.html", "example.org") as tab:
        tab.wait_for_selector(READY)
        policy = tab.get_attribute("meta[http-equiv]", "content")
        assert policy.startswith("default-src 'none'")
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        refused = tab.evaluate("() => fetch('https://example.org/').then(() => false, () => true)")
        assert refused


def test_names_to_a_wish_are_judged_kept_and_taken_along(chromium: Any, address: str) -> None:
    wish = {"model": "municipios", "pattern": ".*(tepec|tlán)", "novel": 1, "temperature": 0.8}
    path = f"index.html#names?{urlencode({**wish, 'seed': 7})}"
    with opened(chromium, address, path, accept_downloads=True) as tab:
        tab.wait_for_selector("#names .badge")
        tab.wait_for_selector("#names[aria-busy=false]")
        python = load_bundle(SHIPPED / "municipios", trusted=True)
        asked = {"pattern": wish["pattern"], "novel": True, "temperature": 0.8}
        expected = python.generate(20, seed=7, max_chars=100, **asked)
        shown = "#names ol.names .name"
        assert tab.locator(shown).all_text_contents() == expected[:10]
        badges = tab.locator("#names ol.names .badge").all_text_contents()
        words = {"new": "nuevo", "near": "a una letra", "known": "en la lista"}
        assert badges == [words[str(python.standing(name))] for name in expected[:10]]
        tab.locator(shown).nth(2).click()
        tab.wait_for_selector("#names ul.names .name")
        with tab.expect_download() as download:
            tab.click("#names .sheet footer button >> nth=1")
        text = download.value.path().read_bytes().decode("utf-8-sig")
        lines = text.splitlines()
        assert lines[0] == '"name","model","standing","seed","settings"'
        assert [line.split('","')[0][1:] for line in lines[1:]] == expected[:10]
        tab.click("#names .pill")
        tab.wait_for_selector("#names ol.names li:nth-child(20) .badge")
        assert tab.locator(shown).all_text_contents() == expected
        for place in ("#names .badge", "#names .nats", "#names .name", "#names .hint"):
            assert tab.eval_on_selector(place, CONTRAST) >= 4.5, place
        tab.reload()
        tab.wait_for_selector("#names ul.names .name")
        assert tab.locator("#names ul.names .name").all_text_contents() == [expected[2]]
        tab.fill("#names-pattern", "San [")
        tab.press("#names-pattern", "Enter")
        tab.wait_for_selector("#refused:not([hidden])")
        tab.fill("#names-pattern", "")


def test_a_text_is_shown_from_inside(chromium: Any, address: str) -> None:
    text = "Y dijo Jesús"
    path = f"index.html#inside?{urlencode({'model': 'biblia', 'text': text})}"
    look = {"locale": "en-US", "viewport": PHONE, "color_scheme": "dark"}
    with opened(chromium, address, path, **look) as tab:
        tab.wait_for_selector(f"#inside .letter:nth-child({len(text)})")
        python = load_bundle(SHIPPED / "biblia", trusted=True)
        assert tab.locator("#inside .letter").all_text_contents() == [*text]
        bits = python.score(text).sum() / math.log(2)
        assert f"{bits:.1f} bits" in (tab.text_content("#inside .sum") or "")
        tab.locator("#inside .letter").nth(3).click()
        assert f"{python.score(text)[3] / math.log(2):.1f} bits" in tab.inner_text(
            "#inside .detail h3"
        )
        best = python.predict(text, 1)[0]
        tab.locator("#inside .parts button").first.click()
        tab.wait_for_selector(f"#inside .letter:nth-child({len(text) + 1})")
        assert tab.input_value("#inside-text") == text + best.character
        tab.click("#inside .units button >> nth=1")
        tab.wait_for_selector("#inside .units button:nth-child(2)[aria-pressed=true]")
        tab.wait_for_selector("#inside .letter.negative")
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for letter in tab.locator("#inside .letter").all():
            assert letter.evaluate(CONTRAST) >= 4.5


def test_a_bundle_of_ones_own_is_opened_and_a_broken_one_refused(
    chromium: Any, address: str, names_bundle: Path, tmp_path: Path
) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "mine"), "zip", names_bundle))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(packed.read_bytes()[:-30])
    with opened(chromium, address, "index.html") as tab:
        tab.wait_for_selector(READY)
        asked: list[str] = []
        tab.set_input_files("#own", broken)
        tab.wait_for_selector("#refused:not([hidden])")
        assert "zip" in (tab.text_content("#refused") or "")
        tab.on("request", lambda request: asked.append(request.url))
        tab.set_input_files("#own", packed)
        tab.wait_for_selector("#models label:first-child:has(:checked):has-text('mine.zip')")
        tab.wait_for_selector("#loading:empty", state="attached")
        tab.fill("#seed", "5")
        tab.fill("#message", "ma")
        tab.press("#message", "Enter")
        tab.wait_for_selector(WRITTEN)
        expected = load_bundle(names_bundle).generate(10, prefix="ma", seed=5)
        assert tab.locator(".turn li").all_text_contents() == expected
        files = (".js", "limits.json", "lib/ort.mjs", "lib/ort.wasm.gz")
        assert not [url for url in asked if not url.endswith(files)], "something was sent or asked"


def test_a_bundle_that_never_answers_is_ended_and_the_others_write_on(
    chromium: Any, address: str, tmp_path: Path
) -> None:
    endless = HOSTILE["endless products"](tmp_path / "endless")
    packed = shutil.make_archive(str(tmp_path / "endless"), "zip", endless)
    with opened(chromium, address, "index.html") as tab:
        tab.wait_for_selector(READY)
        tab.clock.install()
        with tab.expect_event("worker"):
            tab.set_input_files("#own", packed)
        tab.fill("#seed", "5")
        tab.fill("#message", "San ")
        tab.press("#message", "Enter")
        tab.wait_for_selector(WRITTEN)
        expected = load_bundle(SHIPPED / "municipios", trusted=True).generate(
            10, prefix="San ", seed=5
        )
        assert tab.locator(".turn li").all_text_contents() == expected
        ended: list[Any] = []
        tab.workers[1].on("close", lambda worker: ended.append(worker))
        tab.clock.fast_forward(31_000)
        tab.wait_for_selector("#refused:not([hidden])")
        assert tab.text_content("#refused") == WORDS["bundle.slow"]["es"]
        for _ in range(100):
            if not ended:
                tab.evaluate("() => new Promise(requestAnimationFrame)")
        assert ended
        assert tab.input_value("#models input:checked") == "municipios"


def test_a_frame_without_workers_opens_no_bundle_of_ones_own(
    chromium: Any, address: str, names_bundle: Path, tmp_path: Path
) -> None:
    """Beside the page it could stop the page."""
    packed = shutil.make_archive(str(tmp_path / "mine"), "zip", names_bundle)
    with opened(chromium, address, "index.html", script=REFUSING) as tab:
        tab.wait_for_selector(READY)
        tab.set_input_files("#own", packed)
        tab.wait_for_selector("#refused:not([hidden])")
        assert tab.text_content("#refused") == WORDS["bundle.apart"]["es"]


FOCUSED = "selector => document.activeElement.matches(selector)"


def test_the_focus_stays_where_the_keys_are(chromium: Any, address: str) -> None:
    with opened(chromium, address, "index.html") as tab:
        tab.wait_for_selector(READY)
        for count in (2, 3):
            tab.locator("#models input:checked").focus()
            tab.keyboard.press("ArrowDown")
            tab.wait_for_selector("#loading:empty", state="attached")
            assert tab.evaluate(FOCUSED, f"#models label:nth-child({count}) input:checked")
        tab.fill("#message", "Al")
        tab.fill("#temperature", "1.3")
        tab.locator("#skip").focus()
        tab.keyboard.press("Enter")
        assert tab.evaluate(FOCUSED, "#message")
        assert tab.input_value("#message") == "Al"
        assert tab.input_value("#temperature") == "1.3"
        tab.locator("#beginnings button").nth(1).press("Enter")
        tab.wait_for_selector(WRITTEN)
        assert tab.evaluate(FOCUSED, "#beginnings button:nth-child(2)")
        tab.click("#tab-names")
        tab.click("#names-wish .main")
        tab.wait_for_selector("#names .badge")
        tab.wait_for_selector("#names[aria-busy=false]")
        tab.locator("#names-list .name").nth(2).press("Enter")
        tab.wait_for_selector("#kept .name")
        assert tab.evaluate(FOCUSED, "#names-list li:nth-child(3) .name[aria-pressed=true]")
        tab.click("#tab-inside")
        tab.wait_for_selector("#inside .parts button")
        length = len(tab.input_value("#inside-text"))
        tab.locator("#inside .parts button").first.press("Enter")
        tab.wait_for_function(
            "length => document.querySelector('#inside-text').value.length > length"
            " && document.activeElement.matches('.parts button')",
            arg=length,
        )


def test_a_wish_that_fails_says_so_where_it_was_made(chromium: Any, address: str) -> None:
    known = {"model": "municipios", "pattern": "Tlaxcala", "novel": 1, "seed": 1}
    path = f"index.html#names?{urlencode(known)}"
    with opened(chromium, address, path, viewport=PHONE) as tab:
        none = WORDS["names.none"]["es"]
        tab.wait_for_selector(f"#names-list .empty:has-text({none!r})")
        assert tab.text_content("#spoken") == none
        tab.uncheck("#names-novel")
        tab.click("#names-wish .main")
        tab.wait_for_selector("#names-list .name")
        tab.fill("#names-shortest", "20")
        tab.click("#names-wish .main")
        tab.wait_for_selector("#names-shortest[aria-invalid=true]")
        assert tab.get_attribute("#names-starts", "aria-invalid") == "false"
        assert tab.locator("#names-list .name").count() == 0
        box = tab.locator("#refused").bounding_box()
        assert 0 <= box["y"] < PHONE["height"]
        assert tab.text_content("#refused") == WORDS["refusal.impossible"]["es"]


def test_a_least_length_alone_asks_what_the_served_page_asks(chromium: Any, address: str) -> None:
    wish = {"model": "us_names", "shortest": 20, "temperature": 0.8, "seed": 3}
    with opened(chromium, address, f"index.html#names?{urlencode(wish)}") as tab:
        tab.wait_for_selector("#names-list .name")
        tab.wait_for_selector("#names[aria-busy=false]")
        expected = load_bundle(SHIPPED / "us_names", trusted=True).generate(
            10, length=(20, 100), max_chars=100, temperature=0.8, seed=3
        )
        assert tab.locator("#names-list .name").all_text_contents() == expected


def test_a_link_to_a_model_that_is_not_here_says_so(chromium: Any, address: str) -> None:
    with opened(chromium, address, link("own-000000000000", prefix="a", seed=1)) as tab:
        tab.wait_for_selector("#refused:not([hidden])")
        assert tab.text_content("#refused") == WORDS["names.stranger"]["es"]
        assert tab.locator(".turn").count() == 0


@pytest.mark.parametrize(
    ("language", "viewport", "scheme"), [("es", DESKTOP, "light"), ("en", PHONE, "dark")]
)
def test_everybody_can_use_every_screen(
    language: str, viewport: Any, scheme: str, chromium: Any, address: str, axe: str
) -> None:
    """axe-core's rules, and the tab key comes to every control in order."""
    look = {"locale": language, "viewport": viewport, "color_scheme": scheme}
    with opened(chromium, address, link("biblia", prefix="Y ", seed=1), **look) as tab:
        tab.wait_for_selector(WRITTEN)
        tab.locator("p.reply").press("ArrowRight")
        tab.wait_for_selector("#place .options")
        said = tab.text_content("#spoken")
        assert said.startswith(f"{tab.locator('.cell').first.text_content()}. ")
        assert "%" in said
        tab.evaluate(axe)
        found = [("write", *tab.evaluate(VIOLATIONS), *unreached(tab))]
        tab.click("#tab-inside")
        tab.wait_for_selector("#inside .letter")
        found += [("inside", *tab.evaluate(VIOLATIONS), *unreached(tab))]
        tab.click("#tab-names")
        tab.wait_for_selector("#loading:empty", state="attached")
        tab.click("#names-wish .main")
        tab.wait_for_selector("#names-list .badge")
        found += [("names", *tab.evaluate(VIOLATIONS), *unreached(tab))]
        assert [each for each in found if len(each) > 1] == []
