"""The figures as a table on the terminal; plain, and of one width, where it is none."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from charmodels.evaluation.figures import Group

_LABEL, _CELL, _WIDTH = 40, 10, 100


def render_table(groups: Sequence[Group], *, terminal: bool) -> str:
    """The groups one under another, an empty line between; coloured only for a terminal."""
    console = Console(
        force_terminal=terminal,
        width=None if terminal else _WIDTH,
        highlight=False,
        emoji=False,
    )
    with console.capture() as capture:
        for group in groups:
            console.print(_table(group))
            if group.note:
                console.print(Text(group.note, style="dim"))
            console.print()
    lines = (line.rstrip() for line in capture.get().splitlines())
    return "\n".join(lines)


def _table(group: Group) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="", pad_edge=False)
    table.add_column(Text(group.title, style="bold"), min_width=_LABEL)
    for head in group.heads:
        table.add_column(Text(head, style="dim"), justify="right", min_width=_CELL)
    for row in group.rows:
        table.add_row(Text(row.label), *(Text(cell) for cell in row.cells))
    return table
