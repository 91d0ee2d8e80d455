"""The characters of a Keras model, in the order of its ids."""

import json
from pathlib import Path

from charmodels.runtime.bundle import MAX_JSON_BYTES
from charmodels.runtime.errors import VocabularyError
from charmodels.runtime.vocabulary import normalise

_HOW = 'expected a list of characters in the order of their ids, such as ["\\n", "a", "b"]'


def read_symbols(path: Path) -> tuple[str, ...]:
    """Read a JSON list of distinct single characters; each is composed (NFC) first.

    Raises:
        VocabularyError: it is missing, no such list, or a character stands in it twice.
    """
    if not path.is_file():
        raise VocabularyError(f"{path}: no such file; {_HOW}")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise VocabularyError(f"{path}: larger than {MAX_JSON_BYTES:,} bytes; {_HOW}")
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"{path}: not JSON in UTF-8 ({error}); {_HOW}") from error
    if not isinstance(found, list) or not found:
        raise VocabularyError(f"{path}: holds no list but {found!r:.60}; {_HOW}")
    symbols = tuple(_symbol(path, index, symbol) for index, symbol in enumerate(found))
    for index, symbol in enumerate(symbols):
        if (first := symbols.index(symbol)) != index:
            raise VocabularyError(
                f"{path}: {symbol!r} stands at {first} and at {index}; expected each character once"
            )
    return symbols


def single_character(text: object) -> str | None:
    """The one character that `text` is once composed, or None."""
    if not isinstance(text, str):
        return None
    character = normalise(text)
    is_single = len(character) == 1 and not "\ud800" <= character <= "\udfff"
    return character if is_single else None


def _symbol(path: Path, index: int, found: object) -> str:
    symbol = single_character(found)
    if symbol is None:
        raise VocabularyError(
            f"{path}: id {index} is {found!r:.60}; expected a single character (one code point "
            "once composed to NFC)"
        )
    return symbol
