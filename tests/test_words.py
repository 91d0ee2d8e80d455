"""The page speaks Spanish and English, every sentence in both."""

import re
from pathlib import Path
from string import Formatter

import pytest

from demo import app, chat
from demo.words import LANGUAGES, WORDS, language_of, say, whole

DEMO = Path(chat.__file__).parent


def blanks(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("key", WORDS)
def test_every_key_has_both_languages_and_the_same_blanks(key: str) -> None:
    sentences = WORDS[key]
    assert set(sentences) == set(LANGUAGES)
    assert all(sentence.strip() for sentence in sentences.values())
    assert len({frozenset(blanks(sentence)) for sentence in sentences.values()}) == 1


def test_every_key_the_page_asks_for_exists_and_none_is_left_over() -> None:
    sources = [*DEMO.rglob("*.py"), *DEMO.rglob("*.js"), *DEMO.rglob("*.html")]
    text = "\n".join(p.read_text(encoding="utf-8") for p in sources if p.parent.name != "words")
    asked = set(re.findall(r'["`]([a-z]+(?:\.[a-z]+)*)["`]', text))
    families = (
        "tab.",
        "card.",
        "spoken.",
        "kind.",
        "about.",
        "message.",
        "length.",
        "chat.empty.",
        "inside.property.",
        "inside.part.",
        "train.phase.",
        "chat.voice.",
    )  # by variable
    unused = {key for key in WORDS if key not in asked and not key.startswith(families)}
    assert not unused
    said = set(re.findall(r'say\((?:language, |chosen, |"es", )?"([a-z.]{3,})"', text))
    said |= set(re.findall(r'data-say="([^"]+)"', text))
    assert len(said) > 40
    assert said <= set(WORDS)


def test_say_fills_blanks_and_numbers_are_set_apart() -> None:
    assert say("es", "chat.seed", seed=7) == "semilla 7"
    assert say("en", "chat.seed", seed=7) == "seed 7"
    assert whole("en", 98432) == "98,432"
    assert whole("es", 98432) == "98\N{NARROW NO-BREAK SPACE}432"


@pytest.mark.parametrize("value", [None, "fr", 3, ["en"], {}])
def test_an_unknown_language_is_spanish(value: object) -> None:
    assert language_of(value) == "es"
    assert language_of("en") == "en"


@pytest.mark.parametrize("name", app._TABS)
def test_the_style_of_a_tab_reaches_no_other(name: str) -> None:
    """Each in a scope of its own, where what stands above the tab is named before `:scope`."""
    style = re.sub(r"/\*.*?\*/", "", app._style(name), flags=re.DOTALL)
    assert f"@scope (#tab-{name}) {{" in app._head()
    assert not re.search(r"^\s*(:root|html|\.dark|\.writing)(?! :scope )", style, re.MULTILINE)
    assert "@keyframes" not in style  # of the whole page: in page.css
    assert style.count("{") == style.count("}")
