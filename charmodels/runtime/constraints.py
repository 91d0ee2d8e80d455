"""What names must be like: how they begin and end, what they hold, how long they are, a pattern.

All that is asked becomes one automaton, and a `Guide` that leaves a model only the characters that
lead to such a name within the length it may have.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import TypedDict

from charmodels.runtime.errors import ConstraintError
from charmodels.runtime.glushkov import build_glushkov, intersect
from charmodels.runtime.guide import Guide
from charmodels.runtime.pattern import ANY, Repeat, Sequence, Tree, literal, parse_pattern
from charmodels.runtime.sampling import Floats
from charmodels.runtime.vocabulary import BOUNDARY_ID, Vocabulary, normalise

MAX_TEXT = 100
"""Characters of a beginning, an end, or a text that names hold."""

_MAX_HINTED = 200
"""Positions of what is tried in other spellings, at most."""

_ANYTHING = Repeat(ANY, 0, None)
_TEXTS = ("starts", "ends", "contains", "pattern")


class ConstraintSettings(TypedDict, total=False):
    """The fields of `Constraint`, each optional."""

    starts: str
    ends: str
    contains: str
    pattern: str
    length: tuple[int, int | None] | None
    novel: bool


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What is asked of names, all of it at once; the defaults ask nothing.

    Raises:
        ConstraintError: a text is too long, or a length makes no sense.
    """

    starts: str = ""
    """How they begin."""
    ends: str = ""
    """How they end."""
    contains: str = ""
    """What they hold."""
    pattern: str = ""
    """A regular expression that the whole name must match (`charmodels.runtime.pattern`)."""
    length: tuple[int, int | None] | None = None
    """Characters at least and at most; None is as many as the model may write."""
    novel: bool = False
    """Whether they must not be among the names that the model has learned."""

    def __post_init__(self) -> None:
        for name in ("starts", "ends", "contains"):
            if len(getattr(self, name)) > MAX_TEXT:
                count = len(getattr(self, name))
                raise ConstraintError(f"{name} of {count} characters; expected at most {MAX_TEXT}")
        if self.length is not None:
            least, most = self.length
            if least < 0 or (most is not None and not max(1, least) <= most):
                raise ConstraintError(
                    f"length {least}-{'' if most is None else most}; expected the least and the "
                    "most characters of a name, such as 4-8"
                )

    @property
    def is_asked(self) -> bool:
        """Whether anything is asked at all."""
        return self != Constraint()

    @property
    def is_shape(self) -> bool:
        """Whether it takes more than a beginning to meet it."""
        return bool(self.ends or self.contains or self.pattern or self.length)

    def __str__(self) -> str:
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        said = [f"{name} {value!r}" for name, value in given if isinstance(value, str) and value]
        if self.length is not None:
            least, most = self.length
            said.append(f"length {least}-{'' if most is None else most}")
        return ", ".join(said)


def parse_length(text: str) -> tuple[int, int | None]:
    """Least and most characters from a text: 4-8, 4-, -8, or 6 for exactly so many.

    Raises:
        ConstraintError: it is none of these.
    """
    least, dash, most = (part.strip() for part in text.partition("-"))
    numbers = [part for part in (least, most) if part]
    if not numbers or not all(n.isascii() and n.isdecimal() and len(n) < 7 for n in numbers):
        raise ConstraintError(f"length {text[:20]!r}; expected a range of characters such as 4-8")
    if not dash:
        return int(least), int(least)
    return int(least or 0), int(most) if most else None


def guide_names(
    constraint: Constraint,
    vocabulary: Vocabulary,
    prefix: str,
    max_chars: int,
    pairs: Floats | None = None,
) -> tuple[str, Guide | None]:
    """How all names begin, and the guide for the rest of them; None where any rest will do.

    Args:
        constraint: what is asked.
        vocabulary: the model's.
        prefix: what is written already: names begin with it, and it counts as a part of them.
        max_chars: characters that may come after the prefix.
        pairs: of `count_pairs`, to look ahead with.

    Raises:
        ConstraintError: no name can be like that, or to find out takes too much.
    """
    longest = len(prefix) + max_chars
    beginning = _beginning(normalise(constraint.starts), prefix)
    if beginning is not None and not vocabulary.unknown(beginning):
        if not constraint.is_shape and len(beginning) <= longest:
            return beginning, None
        guide = _guide(constraint, vocabulary, beginning, longest, pairs)
        if guide.is_possible:
            return beginning + vocabulary.decode(guide.forced()), guide
        if guide.positions > _MAX_HINTED:
            raise ConstraintError(f"no name of at most {longest} characters can have {constraint}")
    unknown = vocabulary.unknown(constraint.starts + constraint.ends + constraint.contains)
    fitting = next(_fitting(constraint, vocabulary, prefix, longest), None)
    raise ConstraintError(
        f"no name of at most {longest} characters can have {constraint}"
        + (f" and begin with {prefix!r}" if prefix else "")
        + (f": the model does not know {' '.join(map(repr, unknown[:10]))}" if unknown else "")
        + (f"; it could have {fitting}" if fitting else "; ask for less, or for longer names"),
        fitting=_changed(constraint, fitting) if fitting else None,
    )


def _changed(asked: Constraint, other: Constraint) -> dict[str, str]:
    """The texts that differ, as they are in `other`."""
    changed = ((name, getattr(other, name)) for name in _TEXTS)
    return {name: text for name, text in changed if text != getattr(asked, name)}


def _guide(
    constraint: Constraint,
    vocabulary: Vocabulary,
    beginning: str,
    longest: int,
    pairs: Floats | None = None,
) -> Guide:
    """The guide of names that begin like that; it may find none possible."""
    trees: list[Tree] = [parse_pattern(normalise(constraint.pattern))] * bool(constraint.pattern)
    if constraint.ends:
        trees.append(Sequence((_ANYTHING, literal(normalise(constraint.ends)))))
    if constraint.contains:
        trees.append(Sequence((_ANYTHING, literal(normalise(constraint.contains)), _ANYTHING)))
    automata = [build_glushkov(tree, vocabulary.symbols) for tree in trees or [_ANYTHING]]
    least, most = constraint.length or (0, None)
    longest = longest if most is None else min(longest, most)
    guide = Guide(reduce(intersect, automata), len(vocabulary), least, longest, pairs)
    guide.begin(vocabulary.ids.get(character, BOUNDARY_ID) for character in beginning)
    return guide


def _beginning(starts: str, prefix: str) -> str | None:
    """The longer of two texts, if it begins with the other."""
    shorter, longer = sorted((starts, prefix), key=len)
    return longer if longer.startswith(shorter) else None


def _fitting(
    constraint: Constraint, vocabulary: Vocabulary, prefix: str, longest: int
) -> Iterator[Constraint]:
    """The same spelt otherwise, where names can be like that."""
    for respell in (str.lower, str.upper, str.title, _plain, lambda text: _plain(text.lower())):
        other = replace(
            constraint,
            starts=respell(constraint.starts),
            ends=respell(constraint.ends),
            contains=respell(constraint.contains),
            pattern=_respelt(constraint.pattern, respell),
        )
        beginning = _beginning(other.starts, prefix)
        if other != constraint and beginning is not None:
            guide = _guide(other, vocabulary, beginning, longest)
            if guide.is_possible:
                yield other


def _respelt(pattern: str, respell: Callable[[str], str]) -> str:
    r"""The pattern in another spelling, but for what a \\ makes special."""
    return re.sub(r"\\.|[^\\]+", lambda m: m[0] if m[0][0] == "\\" else respell(m[0]), pattern)


def _plain(text: str) -> str:
    """Letters without their accents."""
    apart = unicodedata.normalize("NFD", text)
    return normalise("".join(c for c in apart if not unicodedata.combining(c)))
