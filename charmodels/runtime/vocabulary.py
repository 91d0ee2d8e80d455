"""Characters <-> ids. A character is one code point after NFC; id 0 is the boundary."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from charmodels.runtime.errors import VocabularyError

BOUNDARY_ID = 0
"""Both start and end of a record; it has no character."""

MAX_SYMBOLS = 65_535
"""More distinct characters than this are refused: hardly a list of names or a text."""

Ids = npt.NDArray[np.int64]


def normalise(text: str) -> str:
    """Compose characters and their accents (Unicode NFC), so that equal-looking text is equal."""
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True)
class Vocabulary:
    """The characters a model knows: `symbols[id]` is the character of `id`, `symbols[0]` is "".

    Raises:
        VocabularyError: the list does not start with "", repeats itself, or holds anything but
            single characters.
    """

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.symbols or self.symbols[BOUNDARY_ID] != "":
            raise VocabularyError("vocabulary: id 0 must be the boundary, an empty string")
        if len(self.symbols) < 2 or len(self.symbols) > MAX_SYMBOLS + 1:
            raise VocabularyError(
                f"vocabulary: {len(self.symbols) - 1} characters; expected 1 to {MAX_SYMBOLS:,}"
            )
        for symbol in self.symbols[1:]:
            # Half of a surrogate pair is no character: it cannot be printed or sent.
            if len(symbol) != 1 or "\ud800" <= symbol <= "\udfff":
                raise VocabularyError(f"vocabulary: {symbol[:20]!r} is not a single character")
        if len(self.ids) != len(self.symbols):
            raise VocabularyError("vocabulary: a character stands in it twice")

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Vocabulary":
        """The vocabulary of `texts`: their distinct characters in code point order, from id 1."""
        return cls(("", *sorted(set().union(*texts))))

    @cached_property
    def ids(self) -> dict[str, int]:
        """From character to id."""
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def unknown(self, text: str) -> tuple[str, ...]:
        """The characters of `text` the model has never seen, each once, in order of appearance."""
        return tuple(dict.fromkeys(c for c in normalise(text) if c not in self.ids))

    def encode(self, text: str) -> Ids:
        """Ids of the characters of `text`, int64 (time,).

        Raises:
            VocabularyError: a character is unknown; the message names all of them.
        """
        try:
            return np.array([self.ids[c] for c in normalise(text)], dtype=np.int64)
        except KeyError:
            strangers = " ".join(repr(c) for c in self.unknown(text)[:10])
            raise VocabularyError(
                f"the model does not know {strangers}; "
                f"it knows {len(self) - 1} characters: {self._shown()}"
            ) from None

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The text of `ids`; boundaries leave no mark."""
        return "".join(map(self.symbols.__getitem__, ids))

    def extended(self, texts: Iterable[str]) -> "Vocabulary":
        """This vocabulary with the new characters of `texts` after it; known ids stay the same."""
        new = set().union(*texts) - set(self.symbols)
        return Vocabulary((*self.symbols, *sorted(new)))

    def _shown(self) -> str:
        characters = "".join(c for c in self.symbols if c.isprintable())
        return characters if len(characters) <= 120 else characters[:120] + "…"
