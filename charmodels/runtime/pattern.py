r"""A regular expression, read into a tree.

What Python's `re` reads, and means by it, as long as it is regular and says nothing about where in
a text it stands:

    .  [a-z]  [^aeiou]  \d \w \s \D \W \S  |  (...)  (?:...)  *  +  ?  {m}  {m,}  {,n}  {m,n}

A pattern must match the whole name, so ^ at its beginning and $ at its end change nothing.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass

from charmodels.runtime.errors import ConstraintError

MAX_PATTERN = 100
"""Characters of a pattern at most."""

_MAX_REPEAT = 10_000
_MAX_DEPTH = 50
"""Groups inside one another: parsing goes down into each."""


@dataclass(frozen=True)
class Characters:
    """One character out of a set."""

    ranges: tuple[tuple[str, str], ...] = ()
    """First and last character of each."""
    classes: tuple[str, ...] = ()
    """Out of d, w, s and their opposites D, W, S."""
    negated: bool = False

    def holds(self, character: str) -> bool:
        """Whether `character` is in the set."""
        found = any(low <= character <= high for low, high in self.ranges)
        found = found or any(_IS[name](character) for name in self.classes)
        return found != self.negated


@dataclass(frozen=True)
class Sequence:
    """One after the other; none is the empty string."""

    parts: tuple["Tree", ...]


@dataclass(frozen=True)
class Choice:
    """One of these."""

    parts: tuple["Tree", ...]


@dataclass(frozen=True)
class Repeat:
    """The same thing from `least` to `most` times, one after the other."""

    part: "Tree"
    least: int
    most: int | None
    """None is as often as one likes."""


Tree = Characters | Sequence | Choice | Repeat

ANY = Characters(negated=True)
"""Every character."""

_DOT = Characters(ranges=(("\n", "\n"),), negated=True)

_IS: dict[str, Callable[[str], bool]] = {
    "d": str.isdecimal,
    "w": lambda c: c.isalnum() or c == "_",
    "s": str.isspace,
    "D": lambda c: not c.isdecimal(),
    "W": lambda c: not (c.isalnum() or c == "_"),
    "S": lambda c: not c.isspace(),
}

_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_HEX = {"x": 2, "u": 4}


def literal(text: str) -> Sequence:
    """The tree of a plain text."""
    return Sequence(tuple(Characters(ranges=((c, c),)) for c in text))


def parse_pattern(pattern: str) -> Tree:
    """The tree of a regular expression.

    Raises:
        ConstraintError: it is too long, broken, or asks for what is not regular.
    """
    if len(pattern) > MAX_PATTERN:
        raise ConstraintError(
            f"pattern of {len(pattern)} characters; expected at most {MAX_PATTERN}"
        )
    return _Parser(pattern).parse()


class _Parser:
    """Recursive descent: a choice of sequences of repeated atoms."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._place, self._depth = pattern, 0, 0

    def parse(self) -> Tree:
        self._take("^")
        tree = self._choice()
        if self._place < len(self._pattern):
            raise self._error("a ) too many")
        return tree

    def _choice(self) -> Tree:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self._next() not in ("", "|", ")"):
            if self._next() == "$" and self._place == len(self._pattern) - 1:
                self._place += 1
                break
            parts.append(self._repeated())
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self) -> Tree:
        part = self._atom()
        times = self._times()
        if times is None:
            return part
        self._take("?")  # as few as possible, or as many: the same names match
        if self._next() == "+":
            raise self._error("possessive repeats are not supported; leave the second + out")
        if self._next() in ("*", "?") or self._times() is not None:
            raise self._error("a repeat of a repeat; put the first into ( )")
        return Repeat(part, *times)

    def _times(self) -> tuple[int, int | None] | None:
        """Least and most of a repeat that stands here, past it; None where none does."""
        for sign, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return times
        end = self._pattern.find("}", self._place)
        least, comma, most = self._pattern[self._place + 1 : end].partition(",")
        if self._next() != "{" or end < 0 or not (least or comma):
            return None
        if not all(not n or (n.isascii() and n.isdecimal()) for n in (least, most)):
            return None  # as in Python, { is then a character like others
        low, high = int(least or 0), (int(most) if most else None) if comma else int(least)
        if max(low, high or 0) > _MAX_REPEAT:
            raise self._error(f"a repeat of more than {_MAX_REPEAT:,}")
        if high is not None and low > high:
            raise self._error(f"a repeat from {low} to {high}; expected the smaller number first")
        self._place = end + 1
        return low, high

    def _atom(self) -> Tree:
        if self._take("("):
            return self._group()
        if self._take("["):
            return self._set()
        if self._next() == "\\":
            return self._escape(inside=False)
        start = self._place
        if self._times() is not None:
            self._place = start
            raise self._error("nothing to repeat; write \\ before a sign that is meant as itself")
        if self._next() in ("^", "$"):
            raise self._error("^ and $ may only stand at the beginning and at the end")
        character = self._next()
        self._place += 1
        return _DOT if character == "." else Characters(ranges=((character, character),))

    def _group(self) -> Tree:
        start = self._place - 1
        if self._take("?") and not self._take(":") and not self._named():
            self._place = start
            raise self._error(f"{_named_group(self._pattern[start:])} not supported")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"more than {_MAX_DEPTH} groups inside one another")
        tree = self._choice()
        self._depth -= 1
        if not self._take(")"):
            self._place = start
            raise self._error("a ( without its )")
        return tree

    def _named(self) -> bool:
        """Past the name of (?P<name>...), if one stands here."""
        end = self._pattern.find(">", self._place)
        if not self._pattern.startswith("P<", self._place) or end < 0:
            return False
        self._place = end + 1
        return True

    def _set(self) -> Characters:
        start, negated = self._place - 1, self._take("^")
        ranges: list[tuple[str, str]] = []
        classes: list[str] = []
        while self._next() != "]" or not (ranges or classes):
            low = high = self._member(start)
            if self._next() == "-" and self._pattern[self._place + 1 :][:1] not in ("]", ""):
                self._place += 1
                high = self._member(start)
            if isinstance(low, str) and isinstance(high, str) and low <= high:
                ranges.append((low, high))
            elif low is high and not isinstance(low, str):
                classes += low.classes
            else:
                raise self._error("a range that does not go from one character up to another")
        self._place += 1
        return Characters(tuple(ranges), tuple(classes), negated)

    def _member(self, start: int) -> str | Characters:
        r"""A character of a set, or a class such as \d."""
        character = self._next()
        if not character:
            self._place = start
            raise self._error("a [ without its ]")
        if character == "\\":
            member = self._escape(inside=True)
            return member if member.classes else member.ranges[0][0]
        self._place += 1
        return character

    def _escape(self, *, inside: bool) -> Characters:
        letter = self._pattern[self._place + 1 : self._place + 2]
        if letter in _IS and letter:
            self._place += 2
            return Characters(classes=(letter,))
        if letter in _HEX and letter:
            end = self._place + 2 + _HEX[letter]
            digits = self._pattern[self._place + 2 : end]
            if len(digits) < _HEX[letter] or set(digits) - set(string.hexdigits):
                raise self._error(f"\\{letter} without its {_HEX[letter]} hexadecimal digits")
            self._place, character = end, chr(int(digits, 16))
        elif letter in _CONTROLS and letter:
            self._place, character = self._place + 2, _CONTROLS[letter]
        elif not letter:
            raise self._error("a \\ with nothing after it")
        elif letter.isdecimal() and not inside:
            raise self._error(f"\\{letter}, a reference to a group, is not supported")
        elif letter.isascii() and letter.isalnum():
            raise self._error(f"\\{letter} is not supported")
        else:
            self._place, character = self._place + 2, letter
        return Characters(ranges=((character, character),))

    def _next(self) -> str:
        return self._pattern[self._place : self._place + 1]

    def _take(self, sign: str) -> bool:
        """Past `sign` if it comes next."""
        is_next = self._next() == sign
        self._place += is_next
        return is_next

    def _error(self, why: str) -> ConstraintError:
        message = f"pattern {self._pattern!r}: {why} (at character {self._place + 1})"
        return ConstraintError(message, "unreadable", place=self._place)


def _named_group(text: str) -> str:
    """What kind of group stands here, in words."""
    kinds = {
        "(?=": "look-ahead is",
        "(?!": "look-ahead is",
        "(?<": "look-behind is",
        "(?P": "a reference to a group is",
        "(?>": "an atomic group is",
        "(?(": "a condition is",
        "(?#": "a comment is",
    }
    return kinds.get(text[:3], f"the group {text[:4]}...) is")
