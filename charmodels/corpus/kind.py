"""Is a file a list of names or a text? Judged by its lines, as a person would at a glance.

Names are short lines that stand alone. A text flows: its lines end like clauses, go on in lower
case, are indented, or stand in stanzas. No rule is perfect, so the verdict comes with its reason
and `--kind` overrides it.
"""

import re
import statistics
from collections.abc import Iterable

from charmodels.runtime.bundle import Kind as Kind

_SAMPLE_LINES = 5_000
_CLAUSE_ENDS = tuple(",;:.?!…—-。、，．！？；：؟،؛।")  # noqa: RUF001
_CLOSERS = "\"'”’»)]*_ "  # noqa: RUF001 (may follow the end of a clause)
_ABBREVIATION = re.compile(r"(^|\s)[^\W\d_a-zà-ÿ][\w.]{0,4}\.$")  # "Inc.", "Jr.", "C.V."
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")  # Thai, kana, Han


def detect_kind(lines: list[str]) -> tuple[Kind, str]:
    """Tell names from text by the first lines of a file; gives the kind and the reason in words.

    The thresholds are wide on purpose: real lists have under 5% of lines that end like a clause,
    real texts over 25%; only lines of several words are judged by it at all.
    """
    filled = [line for line in lines[:_SAMPLE_LINES] if line.strip()]
    if not filled:
        return "text", "nothing but blank lines"
    words = statistics.median(_count_words(line) for line in filled)
    ends = _share(_ends_like_a_clause(line) for line in filled)
    if len(filled) == 1:
        if words >= 8 or (words >= 4 and ends):
            return "text", f"one line of {words:.0f} words"
        return "names", "one short line"

    lower = _share(line.lstrip()[0].islower() for line in filled)
    indented = _share(line[0].isspace() for line in filled)
    # A blank line counts where lines follow it: the end of a file says nothing.
    body = lines[:_SAMPLE_LINES]
    while not body[-1].strip():
        body = body[:-1]
    blank = 1 - len(filled) / len(body)

    size = f"lines of about {words:.0f} word{'' if words == 1 else 's'}"
    if words >= 25:
        return "text", size
    if words >= 2.5 and ends >= 0.25:
        return "text", f"{size}, {ends:.0%} of them ending like a clause"
    if words >= 4.5 and 0.1 <= lower <= 0.9:
        return "text", f"{size}, {lower:.0%} of them going on in lower case"
    if words >= 2 and 0.1 <= indented <= 0.9 and blank >= 0.02:
        return "text", f"{size}, {indented:.0%} of them indented"
    if words >= 3.5 and 0.1 <= blank <= 0.4:
        return "text", f"{size}, in stanzas or paragraphs"
    return "names", f"{size}, {ends:.0%} of them ending like a clause"


def _share(facts: Iterable[bool]) -> float:
    return statistics.fmean(facts)


def _count_words(line: str) -> float:
    """Words of a line; scripts that put no spaces count two characters as one word."""
    return max(len(line.split()), len(_UNSPACED.findall(line)) / 2)


def _ends_like_a_clause(line: str) -> bool:
    line = line.rstrip().rstrip(_CLOSERS)
    return line.endswith(_CLAUSE_ENDS) and not _ABBREVIATION.search(line)
