"""Properties of characters that a memory may be about: vowels, places in a word, quotes."""

import unicodedata
from collections.abc import Callable, Iterator

BEGINNING = 5
"""A line begins with so many characters; from this letter on a word is a long one."""

FAR = 30
"""After so many characters a line is a long one."""

_LABEL = 30
"""Characters of a line that names a speaker, its colon counted, at most."""

_OPENING, _CLOSING, _BOTH = "“«„", "”»", '"'


def properties(text: str, endless: bool) -> dict[str, list[bool]]:
    """Of each character of `text`, by property: whether it holds there.

    A line is a line of an endless text, or else the whole name, whose end follows its last letter.
    What follows the last character of an endless text is not known; nothing is said to follow.
    """
    following = [*text[1:], ""][: len(text)]
    in_word = list(_places(text, str.isalpha))
    in_line = list(_places(text, lambda character: character != "\n"))
    held = {
        "vowel": [_is_vowel(c) for c in text],
        "vowel.next": [_is_vowel(c) for c in following],
        "space": [c == " " for c in text],
        "space.next": [c == " " for c in following],
        "capital": [c.isupper() for c in text],
        "mark": [unicodedata.category(c).startswith("P") for c in text],
        "word.start": [place == 1 for place in in_word],
        "word.far": [place >= BEGINNING for place in in_word],
        "word.end": [
            place > 0 and not c.isalpha() for place, c in zip(in_word, following, strict=True)
        ],
        "line.start": [1 <= place <= BEGINNING for place in in_line],
    }
    if not endless:
        return held | {"line.end": [not c for c in following]}
    return held | {
        "line.far": [place > FAR for place in in_line],
        "line.end": [c == "\n" for c in following],
        "break": [c == "\n" for c in text],
        "quote": list(_quoted(text)),
        "speaker": list(_speakers(text)),
    }


def _is_vowel(character: str) -> bool:
    """Whether it is a, e, i, o or u under its accent."""
    return unicodedata.normalize("NFD", character.lower())[:1] in {*"aeiou"}


def _places(text: str, belongs: Callable[[str], bool]) -> Iterator[int]:
    """Of each character: its place, from 1, in the run of those that belong; 0 outside one."""
    place = 0
    for character in text:
        place = place + 1 if belongs(character) else 0
        yield place


def _quoted(text: str) -> Iterator[bool]:
    """Whether each character stands between quotation marks; an empty line ends a quotation."""
    inside = False
    for before, character in zip("\n" + text, text, strict=False):
        if character in _CLOSING or (before == character == "\n"):
            inside = False
        yield inside and character not in _BOTH
        if character in _OPENING:
            inside = True
        elif character in _BOTH:
            inside = not inside


def _speakers(text: str) -> Iterator[bool]:
    """Whether each character belongs to a line that names who speaks: short, a colon at its end."""
    for line in text.splitlines(keepends=True):
        named = line.endswith(":\n") and len(line) <= _LABEL + 1
        for character in line:
            yield named and character != "\n"
