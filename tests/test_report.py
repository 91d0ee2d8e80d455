"""What `evaluate` shows people: a table that is plain where it must be, and a report to pass on.

A report is safe whatever the names in it, needs no other host, and tells what was measured.
"""

import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from charmodels.__main__ import main
from charmodels.corpus.splitting import Split
from charmodels.evaluation.figures import Group, Row, group_figures
from charmodels.evaluation.measure import measure
from charmodels.evaluation.page import Subject, write_report
from charmodels.evaluation.subject import describe_subject, said
from charmodels.evaluation.table import render_table
from charmodels.runtime.model import Model
from tests.browser import complaints, open_browser

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>&amp; [a](javascript:b) `c` {{ d }}"
)
NAMES = tuple(f"{a}n{b}{c}" for a in "abcd" for b in "aeiou" for c in ("", "s", "ro"))
TEXT = "el perro come y la gata duerme\n" * 40


def split_of(train: tuple[str, ...], validation: tuple[str, ...], test: tuple[str, ...]) -> Split:
    return Split(train, np.ones(len(train)), validation, test, hash="f" * 64, salt="")


SPLITS = {
    "names": split_of(NAMES[12:], NAMES[6:12], NAMES[:6]),
    "text": split_of((TEXT,), ("la gata come\n",), ("el perro duerme y la gata come",)),
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charmodels.evaluation.measure.SAMPLES", 30)
    monkeypatch.setattr("charmodels.evaluation.measure.TEXTS", 2)
    monkeypatch.setattr("charmodels.evaluation.measure.TEXT_CHARS", 60)


@pytest.fixture(scope="module")
def figures(names_model: Model, text_model: Model) -> dict[str, dict[str, Any]]:
    """What is measured of a tiny model, by its kind, with windows of three characters."""
    models = {"names": names_model, "text": text_model}
    drawn = {"names": ["ana", "sol"] * 10, "text": ["la gata duerme y el perro"] * 3}
    return {kind: measure(models[kind], SPLITS[kind], 3, drawn[kind]) for kind in models}


def subject_of(kind: str, title: str = "Towns", **changes: Any) -> Subject:
    facts = {
        "title": title,
        "summary": f"{title}, a model of {kind}",
        "of_names": kind == "names",
        "facts": {"Dataset": title, "Licence of the data": title},
        "warning": "",
        "command": f"python -m charmodels evaluate {title}",
        "learning": None,
    }
    return Subject(**(facts | changes))


class Page(HTMLParser):
    """A page's elements, attributes and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def assert_harmless(page: Page) -> None:
    """Nothing that runs, and nothing that is fetched but the report's own pictures."""
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & {*page.elements}
    for name, value in page.attributes:
        assert not name.startswith("on"), name
        if name in ("src", "href", "xlink:href"):
            assert re.fullmatch(r"#\w+|report-\w+\.svg", value or ""), value
        assert "url(" not in (value or "").replace("url(#", ""), value


@pytest.mark.parametrize("kind", ["names", "text"])
def test_a_hostile_name_is_only_text_in_html(
    kind: str, figures: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    path, subject = tmp_path / "report.html", subject_of(kind, HOSTILE, warning=HOSTILE)
    write_report(path, subject, figures[kind], [HOSTILE] * 10, SPLITS[kind])
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert_harmless(page)
    assert "img" not in page.elements
    assert page.text().count(HOSTILE) >= 15, "the name stands there as it is"
    assert "default-src 'none'" in dict(page.attributes).values() or "default-src 'none'" in text
    assert page.elements.count("svg") == (2 if kind == "names" else 1)


@pytest.mark.parametrize("kind", ["names", "text"])
@pytest.mark.parametrize("name", [HOSTILE, "# 1. a\n\n<b>b</b>\n- *c* | d\n\n    e ~~f~~ www.g.h"])
def test_a_hostile_name_is_only_text_in_markdown(
    kind: str, name: str, figures: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "report.md"
    subject = subject_of(kind, name, warning=name)
    files = write_report(path, subject, figures[kind], [name] * 10, SPLITS[kind])
    pictures = {"report-copying.svg"} | ({"report-lengths.svg"} if kind == "names" else set())
    assert {file.name for file in files} == {"report.md"} | pictures
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    page = Page(renderer.render(path.read_text(encoding="utf-8")))
    assert_harmless(page)
    assert page.elements.count("img") == len(pictures)
    assert not {"a", "b", "em", "s"} & {*page.elements}
    assert page.elements.count("h1") == 1
    assert page.text().count(" ".join(name.split())) >= 15, "the name stands there as it is"


def test_a_report_shows_what_was_measured(
    figures: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    measured, path = figures["names"], tmp_path / "report.html"
    samples = [NAMES[0], NAMES[-1], NAMES[7], "new one", *"abcdefg"]
    learning = ([1e6, 2e6], [2.5, 2.0])
    write_report(path, subject_of("names", learning=learning), measured, samples, SPLITS["names"])
    first = path.read_bytes()
    page = Page(first.decode())
    for sample, mark in zip(
        samples, ("held-out", "training", "validation", *["new"] * 7), strict=False
    ):
        assert f"{sample} {mark}" in page.text()
    assert "g new" not in page.text(), "ten samples, no more"
    assert f"{measured['nats_per_char']:.3f} nats" in page.text()
    for group in group_figures(measured):
        for row in group.rows:
            assert " ".join((row.label, *row.cells)) in page.text()
    titles = [
        value.split(":")[0] for key, value in page.attributes if key == "aria-label" and value
    ]
    assert titles == ["How it learned", "Lengths", "The copying curve"]
    assert "no learning curve" not in page.text()
    write_report(path, subject_of("names", learning=learning), measured, samples, SPLITS["names"])
    assert path.read_bytes() == first, "the same figures, the same file"
    write_report(path, subject_of("names"), measured, samples, SPLITS["names"])
    assert "A bundle carries no log of its training" in Page(path.read_text("utf-8")).text()
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"], "nothing aside is left"


@pytest.mark.parametrize("kind", ["names", "text"])
def test_every_figure_has_its_words(kind: str, figures: dict[str, dict[str, Any]]) -> None:
    """A key without its own words is shown all the same, and none is shown twice."""
    groups = group_figures(figures[kind] | {"split": "f", "brand_new_figure": 0.25})
    assert groups[-1] == Group("Also measured", ("",), (Row("brand new figure", ("0.2500",)),))
    for group in groups:
        for row in group.rows:
            assert len(row.cells) == len(group.heads), row
    assert "Also measured" not in [group.title for group in group_figures(figures[kind])]
    of_both = group_figures(figures[kind] | {"network_nats_per_char": 2.5})
    assert of_both[0].rows[1] == Row("its network alone", ("2.500", "3.607"))
    for partial in ("ngram_nats_per_char", "bigram_nats_per_char"):
        (reading, *_) = group_figures(figures[kind] | {partial: None})
        assert ("-", "-") in [row.cells for row in reading.rows]


def test_the_table_is_plain_and_steady_off_a_terminal(
    figures: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = group_figures(figures["names"])
    plain = render_table(groups, terminal=False)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert render_table(groups, terminal=False) == plain
    assert "\x1b" not in plain
    assert "\x1b[" in render_table(groups, terminal=True)
    novel = next(line for line in plain.splitlines() if line.startswith("new: "))
    assert novel.split()[-1] == f"{figures['names']['novel_share']:.1%}"
    assert max(map(len, plain.splitlines())) <= 100


@pytest.fixture
def hostile(names_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that says the worst about itself."""
    folder = Path(shutil.copytree(names_bundle, tmp_path / "bundle"))
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    facts["provenance"] |= {
        "title": HOSTILE + "\ud800",  # half a character, which no file can hold
        "licence": ["<script>"],
        "seed": {"a": 1},
        "model": {"arch": HOSTILE, "layers": None},
        "credit": "x" * 10_000,
    }
    facts["metrics"] |= {"parameters": 10**999, "expert_bytes": HOSTILE}
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    return path


def test_evaluate_writes_a_report_of_a_strangers_bundle(
    hostile: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    words = ["evaluate", str(hostile), "--corpus", str(corpus), "--report", str(report), "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert f"wrote {report}" in said.err
    page = Page(report.read_text(encoding="utf-8"))
    assert_harmless(page)
    assert f"{json.loads(said.out)['nats_per_char']:.3f} nats" in page.text()
    assert "Read with care: its test part is not known to be the one held out" in page.text()
    assert "x" * 201 not in page.text()
    assert "000,000,000,000,000,000" not in page.text()
    assert json.loads(said.out)["split"] in page.text()
    assert f"python -m charmodels {' '.join(words[:-1])}" in page.text()


def test_nonsense_about_a_model_is_left_unsaid() -> None:
    facts = describe_subject("a", {"model": 3}, {"parameters": True}, "names", SPLITS["names"])
    assert facts["Architecture"] == facts["Licence of the data"] == "not said"
    assert facts["Parameters"] == "unknown"
    assert facts["Counted beside the network"] == "nothing"
    assert facts["Held out"] == "6 names, beside 6 for validation and 48 in training"
    assert said("a\n b\t") == "a b"
    assert len(said("x" * 999)) == 201


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ("report.pdf", "expected a file that ends in .html or .md"),
        ("none/report.html", "there is no folder"),
        ("folder.html", "a folder; expected a file in it"),
    ],
)
def test_a_report_that_cannot_be_is_refused_before_the_work(
    names_bundle: Path, tmp_path: Path, report: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.html").mkdir()
    assert main(["evaluate", str(names_bundle), "--report", str(tmp_path / report)]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert reason in told.err


@pytest.mark.parametrize("module", ["jinja2", "matplotlib", "pydivsufsort"])
def test_what_is_not_installed_is_named_with_its_extra(
    names_bundle: Path,
    text_bundle: Path,
    corpus: Path,
    tmp_path: Path,
    module: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    bundle = names_bundle
    if module == "pydivsufsort":
        bundle, corpus = text_bundle, tmp_path / "text.txt"
        corpus.write_text(TEXT, encoding="utf-8")
    report = ["--report", str(tmp_path / "report.md")]
    assert main(["evaluate", str(bundle), "--corpus", str(corpus), *report]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    wanted = (
        f'{module}, which is not installed; install it with: pip install "charmodels[evaluate]"'
    )
    assert told.err.splitlines()[-1] == f"error: this needs {wanted}"
    assert not (tmp_path / "report.md").exists()


def test_a_full_disk_keeps_the_old_report(
    figures: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ValueError, match="No space left on device"):
        write_report(path, subject_of("names"), figures["names"], ["ana"], SPLITS["names"])
    assert path.read_text(encoding="utf-8") == "old"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_on_a_phone_and_asks_no_one(
    figures: dict[str, dict[str, Any]], tmp_path: Path, scheme: Any
) -> None:
    path = tmp_path / "report.html"
    learning = ([1e6, 2e6], [2.5, 2.0])
    subject = subject_of("names", HOSTILE, learning=learning)
    write_report(path, subject, figures["names"], [HOSTILE, "x" * 400], SPLITS["names"])
    with open_browser() as browser:
        tab = browser.new_page(viewport={"width": 360, "height": 700}, color_scheme=scheme)
        told = complaints(tab, path.as_uri().rsplit("/", 1)[0])
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == 360
        bodies = tab.evaluate("[getComputedStyle(document.body)].map((s) => s.backgroundColor)")
        assert bodies == ["rgb(243, 245, 249)" if scheme == "light" else "rgb(14, 19, 37)"]
        assert tab.locator("svg text").first.evaluate("node => getComputedStyle(node).fill") == (
            "rgb(86, 95, 125)" if scheme == "light" else "rgb(163, 172, 201)"
        )
        assert told == []
