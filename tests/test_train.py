"""The Train tab in Chromium: a list becomes a model that writes, on one page and for one visitor.

The quick tests run a little program in the training's place, which tells what a training tells and
hands over a tiny bundle; a slow one trains.
"""

import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from charmodels.runtime import load_bundle
from demo import chat
from demo.words import Language, say
from tests import test_accessibility as accessibility
from tests.browser import CONTRAST, complaints
from tests.serving import ROOT, free_port, served
from tests.tiny import write_tiny

HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = [f"{start}{end}" for start in "Ala Ber Cor Dun".split() for end in "ana eto iño ul".split()]
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
}

SCRIPT = """
import json, os, shutil, sys, time
order = json.loads(sys.stdin.readline())
def tell(**told): print(json.dumps(told), flush=True)
tell(phase="start")
tell(phase="train")
for step in range(1, 9):
    tell(point=[step, 3 - step / 10], steps=8)
    tell(held=[step, 3.1 - step / 10], samples=["<b>uno</b>", f"dos {step}"])
    time.sleep(0.1)
if order["file"].startswith("slow"):
    time.sleep(600)
tell(phase="count")
tell(phase="measure", ngram=2.4)
tell(figures={"bits_per_char": 2.5, "novel_share": 0.5, "spelled_share": 0.25, "parameters": 1234})
tell(phase="export")
tell(proof={"lines": ["logits agrees"], "worst": "1e-06", "tolerance": "1e-05"})
shutil.copy(ARCHIVE, os.path.join(order["folder"], "bundle.zip"))
tell(done=1)
"""

SERVER = """
import sys
sys.path.insert(0, {root!r})
import demo.workshop as workshop
workshop.MINUTES = (0.2, 1)
script = {script!r}
if script:
    class Scripted(workshop.Workshop):
        def __init__(self, shelf):
            super().__init__(shelf)
            self.command = (sys.executable, "-c", script)
    workshop.Workshop = Scripted
from demo.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Site:
    """A page with the tab, and the process that serves it."""

    address: str
    process: subprocess.Popen[str]


@contextmanager
def opened(bundle: Path, script: str) -> Iterator[Site]:
    code = SERVER.format(root=str(ROOT), script=script)
    port = str(free_port())
    command = [sys.executable, "-c", code, str(bundle), "--port", port, "--no-open"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip().rstrip("/")
        assert address, "the page did not start"
        yield Site(address, process)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    own = write_tiny(folder / "own")
    with zipfile.ZipFile(folder / "made.zip", "w") as packed:
        for path in own.iterdir():
            packed.write(path, f"x/{path.name}")
    script = SCRIPT.replace("ARCHIVE", repr(str(folder / "made.zip")))
    with opened(own, script) as site:
        yield site


axe = accessibility.axe
Visit = Callable[..., Any]


@pytest.fixture
def visit(chrome: Any) -> Iterator[Visit]:
    """Opens the tab for a new visitor, and sees in the end that nothing went wrong in it."""
    visitors: list[tuple[Any, list[str]]] = []

    def new(site: Site, locale: str = "es-MX", **screen: Any) -> Any:
        tab = chrome.new_page(locale=locale, reduced_motion="reduce", **(screen or WIDE))
        visitors.append((tab, complaints(tab, site.address)))
        tab.goto(f"{site.address}/#train")
        tab.wait_for_selector("html.ready", state="attached")
        tab.locator("#train-list").wait_for()
        return tab

    yield new
    for tab, _ in visitors:
        tab.close()
    assert not [complaint for _, told in visitors for complaint in told]


def give(tab: Any, text: str) -> None:
    tab.locator("#train-list").fill(text)
    tab.locator(".read:visible, .sheet .refused:visible").first.wait_for()


def sideways(tab: Any) -> int:
    """Pixels by which anything on the tab is wider than its window."""
    return int(
        tab.evaluate(
            """() => Math.max(document.documentElement.scrollWidth,
                 ...[...document.querySelectorAll('.train *:not(pre)')]
                   .map((node) => node.getBoundingClientRect().right))
               - document.documentElement.clientWidth"""
        )
    )


def test_a_page_without_torch_has_no_such_tab(folder: Path, chrome: Any) -> None:
    with served([write_tiny(folder / "alone")]) as (address, _):
        tab = chrome.new_page(locale="en-US")
        tab.goto(f"{address}/#train")
        tab.wait_for_selector("html.ready", state="attached")
        assert tab.get_by_role("tab").all_inner_texts().count(say("en", "tab.train")) == 0
        assert tab.get_by_role("tab", name=say("en", "tab.learn")).count() == 1
        tab.close()


@pytest.mark.parametrize(
    ("locale", "language", "screen"),
    [("es-MX", "es", WIDE), ("en-US", "en", PHONE)],
    ids=["es, desktop", "en, phone"],
)
def test_what_was_read_is_shown_and_can_be_changed(
    site: Site, visit: Visit, locale: str, language: Language, screen: dict[str, Any]
) -> None:
    tab = visit(site, locale, **screen)
    assert tab.get_by_text(say(language, "train.invite")).is_visible()
    assert tab.get_by_text(say(language, "train.private")).is_visible()
    give(tab, "\n".join([*NAMES, NAMES[0], "", f"{HOSTILE} ${{x}} {{y}}", "w" * 200]))
    facts = tab.locator(".read .facts").inner_text()
    assert f"{say(language, 'train.records')}\n18" in facts
    dropped = tab.locator(".dropped").inner_text()
    assert say(language, "train.merged", count=1) in dropped
    assert say(language, "train.blank", count=1) in dropped
    assert say(language, "train.few") in tab.locator(".read .warning").inner_text()
    assert tab.locator(".examples li").count() == 12
    assert sideways(tab) <= 0
    tab.get_by_role("radio", name=say(language, "train.kind.text")).click()
    tab.get_by_text(say(language, "train.examples.text"), exact=True).wait_for()
    assert tab.locator(".examples li").count() == 1
    give(tab, "Ana\nEva\nZoe")
    tab.get_by_role("radio", name=say(language, "train.kind.names")).click()
    tab.get_by_text(say(language, "train.small")).wait_for()
    other: Language = "en" if language == "es" else "es"
    tab.get_by_role("radio", name="English" if other == "en" else "Español").click()
    tab.get_by_text(say(other, "train.small")).wait_for()


def test_a_file_is_read_in_the_browser_and_a_wrong_one_refused(site: Site, visit: Visit) -> None:
    tab = visit(site)
    table = "nombre;cantidad;zona\nMuñoz;3;x\nPeña;2;y\nIbáñez;1;z\n".encode("cp1252")
    file = tab.locator("#train-file")
    file.set_input_files({"name": "Apellidos <b>.csv", "mimeType": "text/csv", "buffer": table})
    tab.locator(".read").wait_for()
    assert tab.locator(".examples li").all_inner_texts() == ["Muñoz", "Peña", "Ibáñez"]
    dropped = tab.locator(".dropped").inner_text()
    for sentence in (
        say("es", "train.encoding", encoding="cp1252"),
        say("es", "train.table", column="nombre"),
        say("es", "train.columns", columns="zona"),
    ):
        assert sentence in dropped
    assert tab.locator("#train-name").input_value() == "Apellidos <b>"
    for data, key in (
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "binary"),
        (b"ab\n" * 400_000, "large"),
        (b" \n", "empty"),
    ):
        file.set_input_files({"name": "x.txt", "mimeType": "text/plain", "buffer": data})
        tab.get_by_text(say("es", f"train.refusal.{key}")).wait_for()
        assert not tab.locator(".read").is_visible()
    tab.get_by_role("button", name=say("es", "train.file.clear")).click()
    tab.get_by_text(say("es", "train.invite")).wait_for()


def walk(tab: Any, lines: list[str], language: Language, name: str, folder: Path) -> None:
    """From the list to the model that writes, and the zip that Python opens."""
    give(tab, "\n".join(lines))
    tab.locator("#train-name").fill(name)
    tab.get_by_role("button", name=say(language, "train.start"), exact=True).press("Enter")
    tab.wait_for_function(
        "document.querySelectorAll('.curve circle.of-held').length >= 3", timeout=300_000
    )
    assert len(tab.locator(".curve polyline.of-train").get_attribute("points").split()) >= 2
    assert sideways(tab) <= 0
    tab.locator(".train .write").wait_for(timeout=300_000)
    status = tab.locator(".train .status")
    assert status.inner_text() == say(language, "train.phase.done", name=name)
    assert status.get_attribute("role") == "status"
    assert say(language, "train.bits") in tab.locator(".result .facts").inner_text()
    assert "1e-05" in tab.locator(".result .proof").inner_text()
    assert tab.locator(".curve line.of-ngram").count() == 1
    spoken = tab.locator(".curve svg").get_attribute("aria-label")
    assert len(re.findall(r"\d\.\d\d\b", spoken)) == 2, spoken
    assert sideways(tab) <= 0
    with tab.expect_download() as download:
        tab.locator(".train .download").click()
    assert download.value.suggested_filename == f"{name}.zip"
    download.value.save_as(folder / "got.zip")
    model = load_bundle(folder / "got.zip")
    assert len(model.generate(2)) == 2
    tab.locator(".train .write").click()
    chosen = tab.locator("#model label.selected")
    chosen.wait_for()
    assert chosen.inner_text() == name or tab.locator("#model input:checked").input_value() == name
    seed = tab.locator("#seed textarea")
    seed.fill("7")
    tab.locator("#send").click()
    tab.locator(".turn:not(.waiting) .reply li").nth(9).wait_for()
    tab.wait_for_selector("html:not(.writing)", state="attached")
    written = tab.locator(".turn .reply li .own").all_text_contents()
    tab.get_by_role("tab", name=say(language, "tab.learn")).click()
    tab.locator("#learn-model").select_option(name)
    tab.locator(".next .option").first.wait_for()
    names = model.generate(10, seed=7, max_chars=chat.default_length(model))
    assert "\n".join(written) == "\n".join(names)  # the tiny bundle's may hold line ends


@pytest.mark.parametrize(
    ("locale", "language", "screen"),
    [("es-MX", "es", PHONE), ("en-US", "en", WIDE)],
    ids=["es, phone", "en, desktop"],
)
def test_a_list_becomes_a_model_on_every_tab(
    site: Site, visit: Visit, folder: Path, locale: str, language: Language, screen: dict[str, Any]
) -> None:
    tab = visit(site, locale, **screen)
    walk(tab, NAMES, language, f"lista {language}", folder)
    later = visit(site, locale, **screen)
    names = later.locator("#model input").evaluate_all("all => all.map((each) => each.value)")
    assert f"lista {language}" in names, "who comes later finds it, too"


def trainings(site: Site) -> list[psutil.Process]:
    return psutil.Process(site.process.pid).children(recursive=True)


def wait(fact: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_cancel_and_a_closed_tab_end_it_others_wait_and_writing_goes_on(
    site: Site, visit: Visit, chrome: Any
) -> None:
    """The two visitors that train leave in other ways; a third one only writes."""
    ana, eva = visit(site), visit(site, "en-US")
    for tab in (ana, eva):
        give(tab, "\n".join(NAMES))
        tab.locator("#train-name").fill("slow")
    ana.locator(".train .start").click()
    ana.locator(".curve circle.of-held").first.wait_for(state="attached")
    eva.locator(".train .start").click()
    eva.get_by_text(say("en", "train.phase.wait", place=1)).first.wait_for()
    assert len(trainings(site)) == 1
    (first,) = trainings(site)
    writer = visit(site)
    writer.get_by_role("tab", name=say("es", "tab.write")).click()
    writer.locator("#send").click()
    writer.locator(".turn:not(.waiting) .reply li").nth(9).wait_for()
    ana.locator(".train .cancel").click()
    ana.get_by_text(say("es", "train.phase.cancelled")).first.wait_for()
    wait(lambda: not first.is_running(), 10)
    eva.locator(".curve circle.of-held").first.wait_for(state="attached")
    assert len(trainings(site)) == 1
    eva.close()
    wait(lambda: not trainings(site), 15)
    ana.locator(".train .again").click()
    assert ana.locator("#train-list").is_enabled()


def test_the_tab_reads_well_in_the_dark_too(site: Site, chrome: Any) -> None:
    for scheme in ("light", "dark"):
        tab = chrome.new_page(locale="en-US", color_scheme=scheme, **WIDE)
        tab.goto(f"{site.address}/#train")
        tab.wait_for_selector("html.ready", state="attached")
        give(tab, "\n".join(NAMES))
        for place in (
            *("h2", ".help", ".pill", ".tick span", "dt", "dd", ".examples li", ".letters"),
            *(".warning", ".dropped li", ".start", ".switch label:has(:checked) span", "legend"),
        ):
            node = tab.locator(f".train {place}:visible").first
            assert node.evaluate(CONTRAST) >= 4.5, (scheme, place)
        tab.close()


def test_everybody_can_use_it(site: Site, visit: Visit, axe: str) -> None:
    """The rules of every tab (`tests.test_accessibility`), before, and when a model is made."""
    tab = visit(site)
    tab.evaluate(axe)

    def check(state: str) -> None:
        for look in (accessibility.LOOKS[0], accessibility.LOOKS[3]):
            accessibility.look(tab, *look)
            assert not accessibility.violations(tab), (state, look)
        assert not accessibility.unreached(tab), state
        assert not tab.evaluate(accessibility.MOVING), state

    give(tab, "\n".join([*NAMES, NAMES[0]]))
    check("read")
    tab.locator(".train .start").click()
    tab.locator(".train .write").wait_for()
    check("made")


@pytest.mark.slow
def test_a_real_training_from_the_list_to_the_download(
    folder: Path, visit: Visit, tmp_path: Path
) -> None:
    lines = (ROOT / "data" / "mx_municipios.txt").read_text(encoding="utf-8").splitlines()
    with opened(write_tiny(tmp_path / "own"), "") as real:
        tab = visit(real)
        walk(tab, lines[:200], "es", "pueblos", tmp_path)
        assert not trainings(real)
        tab.close()
