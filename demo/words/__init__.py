"""Every word the page says, in Spanish and in English, a file for each tab.

A sentence is looked up by its key; numbers and names are put in by `{name}`. `tests/test_words.py`
holds that every key has both languages and the same blanks in each.
"""

from demo.words.inside import INSIDE
from demo.words.language import LANGUAGES as LANGUAGES
from demo.words.language import Language as Language
from demo.words.language import Words
from demo.words.learn import LEARN
from demo.words.names import NAMES
from demo.words.page import PAGE
from demo.words.train import TRAIN
from demo.words.web import WEB
from demo.words.write import WRITE

WORDS: Words = PAGE | WRITE | NAMES | INSIDE | TRAIN | LEARN | WEB


def say(language: Language, key: str, **values: object) -> str:
    """The sentence of `key` in `language`, its blanks filled."""
    return WORDS[key][language].format(**values)


def language_of(value: object) -> Language:
    """What a browser sent, if it is a language we speak; Spanish otherwise."""
    return "en" if value == "en" else "es"


def whole(language: Language, value: int) -> str:
    """A whole number with its thousands apart: 98 432 in Spanish, 98,432 in English."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}" if language == "es" else ",")
