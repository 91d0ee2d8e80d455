"""File to corpus: decoded, normalised, one record a line (`names`) or one long record (`text`)."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from charmodels.corpus.decoding import CharacterFile
from charmodels.corpus.kind import Kind, detect_kind
from charmodels.corpus.tables import Table, detect_table, read_rows
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.vocabulary import MAX_SYMBOLS

__all__ = ["Corpus", "Kind", "lowercased", "read_corpus", "symbols"]

MAX_NAME_CHARS = 1_000
"""Characters of the longest name; more is a text that was taken for a list."""


@dataclass(frozen=True)
class Tally:
    """What became of the rows of a list, counted; all zero for a text."""

    merged: int = 0
    """Rows, or names made lower-case, merged into names already seen."""
    blank: int = 0
    """Blank lines and rows without a name, left out."""
    uncounted: int = 0
    """Names with count 0, left out."""
    composed: int = 0
    """Names whose characters were composed (Unicode NFC)."""


@dataclass(frozen=True)
class Corpus:
    """What was read from one file.

    Names are unique, stripped and not blank, in the order of their first appearance. A text is
    exactly one record, as in the file but for line ends. All characters are in NFC.
    """

    name: str
    """The file's name without its ending, or the dataset's name."""
    kind: Kind
    records: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    """(records,) How often each name stands in the file, or the sum of its counts; 1 for a text."""
    sha256: str
    """Of the file's bytes, in hex."""
    source: str
    """The path or dataset name that reads this corpus again."""
    notes: tuple[str, ...]
    """Sentences for the person at the terminal: what was detected, merged and left out."""
    lowercase: bool = False
    """Whether all letters were made small after reading."""
    table: Table | None = None
    """How the file was read as a table; None where it was none."""
    tally: Tally = Tally()
    """What the notes say, for who says it in other words."""


def symbols(corpus: Corpus) -> tuple[str, ...]:
    """The distinct characters of a corpus, in code point order."""
    return tuple(sorted(set().union(*corpus.records)))


def read_corpus(path: str | Path, kind: Kind | None = None, *, data: bytes | None = None) -> Corpus:
    """Read a UTF-8 file as a list of names or as a text; without `kind` its lines decide.

    Names may be one a line, a CSV or TSV with a header (`nombre,cantidad,anio`, `name,count,year`),
    or `name<TAB>count` without one. A text is kept as it is but for line ends and NFC. With `data`
    these bytes are read, and the path is only what they are called.

    Raises:
        CorpusError: anything the user must mend, in one line with file, line and remedy.
    """
    path = Path(path)
    tally = Tally()
    with CharacterFile(path, data) as file:
        lines = _whole_lines(file)
        if not any(line.strip() for line in lines) and file.is_whole:
            what = "has only blank lines" if file.head else "is empty"
            raise CorpusError(f"{path} {what}; expected names, one a line, or a text")
        table = None if kind == "text" else detect_table(path, lines)
        if kind is not None:
            why = "as asked"
        elif table is not None:
            kind, why = "names", "it is a table"
        else:
            kind, why = detect_kind(lines)
        other = "text" if kind == "names" else "names"
        notes = [f"read as {kind}: {why} (--kind {other} would read it as {other})"]
        if kind == "names":
            counts, tally = _read_names(path, file, table)
            notes += [table.note] if table else []
            notes += _told(len(counts), tally, table)
            records = tuple(counts)
            weights = np.fromiter(counts.values(), np.float64, len(counts))
        else:
            records = (_read_text(path, file, notes),)
            weights = np.ones(1)
    name, source = _printable(path.stem), _printable(str(path))
    corpus = Corpus(
        name,
        kind,
        records,
        weights,
        file.sha256(),
        source,
        tuple(notes),
        table=table if kind == "names" else None,
        tally=tally,
    )
    if len(symbols(corpus)) > MAX_SYMBOLS:
        raise CorpusError(
            f"{path}: {len(symbols(corpus)):,} distinct characters, expected at most "
            f"{MAX_SYMBOLS:,}; this is hardly a text: look at the file, or give a part of it"
        )
    return corpus


def lowercased(corpus: Corpus) -> Corpus:
    """The corpus in small letters; names that become equal are merged, their weights summed."""
    weights: dict[str, float] = {}
    for record, weight in zip(corpus.records, corpus.weights.tolist(), strict=True):
        small = unicodedata.normalize("NFC", record.lower())
        weights[small] = weights.get(small, 0.0) + weight
    merged = len(corpus.records) - len(weights)
    note = f"made lower-case; {merged:,} names merged" if merged else "made lower-case"
    return replace(
        corpus,
        records=tuple(weights),
        weights=np.fromiter(weights.values(), np.float64, len(weights)),
        notes=(*corpus.notes, note),
        lowercase=True,
        tally=replace(corpus.tally, merged=corpus.tally.merged + merged),
    )


def _printable(name: str) -> str:
    """A file's name that can be written as UTF-8, `?` for each byte that is not."""
    return name.encode(errors="replace").decode()


def _whole_lines(file: CharacterFile) -> list[str]:
    """The lines of the first piece, less the last one where the piece cuts it."""
    lines = file.head.split("\n")
    if not file.is_whole and len(lines) > 1:
        lines.pop()
    return lines


def _read_text(path: Path, file: CharacterFile, notes: list[str]) -> str:
    text = "".join(file.pieces())
    if not text.strip():
        raise CorpusError(f"{path} has only blank lines; expected names, one a line, or a text")
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        notes.append("characters composed (Unicode NFC)")
    return text


def _read_names(
    path: Path, file: CharacterFile, table: Table | None
) -> tuple[dict[str, int], Tally]:
    """Each distinct name with how often it stands in the file, in order of first appearance."""
    rows: Iterable[tuple[int, str, int]]
    if table is None:
        rows = ((number, line, 1) for number, line in enumerate(file.lines(), 1))
    else:
        rows = read_rows(path, table, file.lines())

    counts: dict[str, int] = {}
    filled = blank = composed = 0
    for number, name, count in rows:
        name = name.strip()
        if not name:
            blank += 1
            continue
        filled += 1
        if not (name.isascii() or unicodedata.is_normalized("NFC", name)):
            # Stripped again: composing can leave a space bare that a mark had covered.
            name = unicodedata.normalize("NFC", name).strip()
            composed += 1
        if len(name) > MAX_NAME_CHARS:
            raise CorpusError(
                f"{path}, line {number}: a name of {len(name):,} characters, expected at most "
                f"{MAX_NAME_CHARS:,}; if this is a text, read it with --kind text"
            )
        counts[name] = counts.get(name, 0) + count

    merged = filled - len(counts)
    unborn = [name for name, count in counts.items() if count == 0]
    for name in unborn:
        del counts[name]
    if len(counts) < 2:
        found = f"one name only, {next(iter(counts))!r:.80}" if counts else "no names"
        raise CorpusError(
            f"{path}: {found}; expected at least 2, one a line "
            "(a text in one line is read with --kind text)"
        )
    return counts, Tally(merged, blank, len(unborn), composed)


def _told(names: int, tally: Tally, table: Table | None) -> list[str]:
    """The tally in sentences."""
    rows = "rows" if table is not None else "repeated lines"
    sentences = (
        (names, "distinct names"),
        (tally.merged, f"{rows} merged into weights of names already seen"),
        (tally.blank, "blank lines or rows without a name left out"),
        (tally.uncounted, "names with count 0 left out"),
        (tally.composed, "names with characters composed (Unicode NFC)"),
    )
    return [f"{count:,} {sentence}" for count, sentence in sentences if count]
