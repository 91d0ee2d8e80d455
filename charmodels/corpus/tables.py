"""Tables of names: which column is the name and which the count, and the rows as (name, count).

Understood are CSV, TSV and semicolon tables with a header in Spanish or English, and two columns
`name<TAB>count` (or with a comma or semicolon) without one. Other columns are left out, a year
among them: its rows are summed by whoever counts the names.
"""

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from charmodels.runtime.errors import CorpusError

_DELIMITERS = {"\t": "tab", ";": "semicolon", ",": "comma"}
_NAME_WORDS = frozenset(
    "name names nombre nombres nome nomes nom prenom vorname first_name firstname given_name "
    "forename nombre_completo municipio apellido surname last_name word palabra".split()
)
_COUNT_WORDS = frozenset(
    "count counts cantidad frecuencia frequency freq n number total births bearers occurrences "
    "veces weight peso personas quantidade anzahl effectif".split()
)
_YEAR_WORDS = frozenset("year years anio ano annee jahr birth_year".split())
_TABLE_SUFFIXES = (".csv", ".tsv", ".tab")

MAX_COUNT = 2**53
"""The largest count, which a float64 still holds exactly."""


@dataclass(frozen=True)
class Table:
    """How to read one table: its delimiter and the places of its columns, counted from 0."""

    delimiter: str
    name_column: int
    count_column: int | None
    has_header: bool
    note: str
    columns: tuple[str, ...] = ()
    """What the header calls them; none without one."""


def detect_table(path: Path, lines: list[str]) -> Table | None:
    """Find the columns of a table from its first lines; None when the lines are no table.

    In a file called .csv or .tsv a header that names the column of names is enough; anywhere else
    a count or a year must stand beside it, so that a line of prose is never taken for a header.

    Raises:
        CorpusError: a .csv or .tsv of several columns, none of which is known to hold names.
    """
    filled = [line for line in lines if line.strip()]
    if not filled or len(filled[0]) > csv.field_size_limit():  # a text in one line
        return None
    is_called_table = path.suffix.lower() in _TABLE_SUFFIXES
    for delimiter in _DELIMITERS:
        table = _from_header(filled[0], delimiter, is_called_table)
        if table is not None:
            return table
    for delimiter in _DELIMITERS:
        if _is_name_and_count(filled, delimiter):
            return Table(
                delimiter, 0, 1, False, f"a {_DELIMITERS[delimiter]} table of name and count"
            )
    if is_called_table:
        delimiter = max(_DELIMITERS, key=filled[0].count)
        columns = next(csv.reader(filled[:1], delimiter=delimiter))
        if len(columns) > 1:
            raise CorpusError(
                f"{path}, line 1: no column of names among {', '.join(columns)!r:.200}; expected "
                "a header such as name,count,year or nombre,cantidad,anio: rename the column of "
                "names to 'name', or rename the file to .txt if it is a plain list"
            )
    return None


def read_rows(path: Path, table: Table, lines: Iterator[str]) -> Iterator[tuple[int, str, int]]:
    """The rows of a table as (line number, name, count), the count 1 where there is no column.

    Raises:
        CorpusError: a row with too few columns, a count that is no whole number or too large,
            broken quotes.
    """
    ended = (line + "\n" for line in lines)
    rows = (
        # A quotation mark is an ordinary character in name<TAB>count.
        csv.reader(ended, delimiter="\t", quoting=csv.QUOTE_NONE)
        if table.delimiter == "\t" and not table.has_header
        else csv.reader(ended, delimiter=table.delimiter, strict=True)
    )
    wanted = max(table.name_column, table.count_column or 0) + 1
    waits_for_header = table.has_header
    count = 1
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):  # a blank line
                yield rows.line_num, "", 0
                continue
            if waits_for_header:
                waits_for_header = False
                continue
            if len(row) < wanted:
                raise CorpusError(
                    f"{path}, line {rows.line_num}: {len(row)} column"
                    f"{'' if len(row) == 1 else 's'}, expected at least {wanted} "
                    f"({table.note}); mend the line, or give a plain list with one name a line"
                )
            if table.count_column is not None:
                count = _read_count(path, rows.line_num, row[table.count_column])
            yield rows.line_num, row[table.name_column].replace("\n", " "), count
    except csv.Error as error:
        raise CorpusError(
            f"{path}, line {rows.line_num}: not a well-formed table ({error}); "
            "look for a quotation mark that is not closed there or above"
        ) from None


def _from_header(line: str, delimiter: str, name_is_enough: bool) -> Table | None:
    cells = next(csv.reader([line], delimiter=delimiter))
    columns = [_plain(cell) for cell in cells]

    def first(known: frozenset[str]) -> int | None:
        return next((place for place, column in enumerate(columns) if column in known), None)

    name, count, year = first(_NAME_WORDS), first(_COUNT_WORDS), first(_YEAR_WORDS)
    if name is None or (count is None and year is None and not name_is_enough):
        return None
    note = f"a {_DELIMITERS[delimiter]} table, names in column {cells[name].strip()!r}"
    if count is not None:
        note += f", counts in {cells[count].strip()!r}"
    left_out = [cell.strip() for place, cell in enumerate(cells) if place not in (name, count)]
    if year is not None:
        note += f", summed over {cells[year].strip()!r}"
        left_out.remove(cells[year].strip())
    if left_out:
        note += f", left out: {', '.join(left_out)}"
    return Table(delimiter, name, count, True, note, tuple(cell.strip() for cell in cells))


def _is_name_and_count(lines: list[str], delimiter: str) -> bool:
    """Whether nine lines in ten are a name, one delimiter and a whole number."""
    fitting = 0
    for line in lines:
        name, found, count = line.rpartition(delimiter)
        fitting += bool(found and name.strip() and count.strip().isdecimal()) and (
            delimiter not in name
        )
    return fitting >= 0.9 * len(lines)


def _read_count(path: Path, line: int, cell: str) -> int:
    cell = cell.strip()
    if not cell.isdecimal():
        raise CorpusError(
            f"{path}, line {line}: {cell!r:.80} is not a count; expected a whole number of "
            "digits only, without a sign or thousands separators"
        )
    # The length first: int() refuses thousands of digits with an error of its own.
    if len(cell.lstrip("0")) > len(str(MAX_COUNT)) or int(cell) > MAX_COUNT:
        shown = cell if len(cell) <= 40 else f"{cell[:40]}…"
        raise CorpusError(
            f"{path}, line {line}: the count {shown} is too large; expected at most {MAX_COUNT:,}"
        )
    return int(cell)


def _plain(column: str) -> str:
    """A column's name in lower case, without accents, spaces as underscores."""
    letters = unicodedata.normalize("NFD", column.strip().casefold())
    return "".join(c for c in letters if not unicodedata.combining(c)).replace(" ", "_")
