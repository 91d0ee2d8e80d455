"""Curves as a picture that reads on light and on dark pages, with the same bytes every time.

The background is transparent, axes and words are mid-grey, and curves differ in colour and in
dashes, so that no one needs to tell colours apart. In SVG the words are outlines: they look the
same where the font is missing.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from charmodels.runtime.errors import SettingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GREY = "#808080"
_COLOURS = ("#d9480f", "#1c7ed6", "#2f9e44", "#ae3ec9", "#b08900", "#0c8599")
"""Each at least 3 : 1 on white and on #161616."""

_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (9, 3)), (0, (3, 1, 1, 1)))

_POINTS = 3
"""A curve of so few points shows them."""

Curve = tuple[Sequence[float], Sequence[float]]
"""The places along the horizontal axis and the heights there."""


def check_picture(path: Path) -> None:
    """Refuse a picture's name before the work that would fill it.

    Raises:
        SettingError: it ends neither in .svg nor in .png.
    """
    if path.suffix not in (".svg", ".png"):
        raise SettingError(f"plot is {path}; expected a file that ends in .svg or .png")


def draw_curves(
    path: Path, curves: Mapping[str, Curve], *, across: str, up: str, logarithmic: bool = False
) -> None:
    """Draw curves by their labels into an SVG or PNG file; `across` and `up` name the axes."""
    check_picture(path)
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "charmodels", "svg.fonttype": "path", "font.size": 11}):
        figure = _plot(curves, across, up, (7, 4))
        if logarithmic:
            figure.axes[0].set_yscale("log")
        # No date and no program's version: the same figures are the same file.
        names = ("Date", "Creator") if path.suffix == ".svg" else ("Software",)
        metadata = dict.fromkeys(names)
        figure.savefig(path, transparent=True, dpi=150, metadata=metadata)


def curves_svg(
    curves: Mapping[str, Curve], *, across: str, up: str, name: str, ground: str = ""
) -> str:
    """Draw curves as an `<svg>` to stand in a page, small enough to be read on a phone.

    The area below the curve labelled `ground` is filled: what the others are seen against.

    Its words are the page's own font, and the page may colour it: curves by the CSS variables
    `--curve-1`, `--curve-2`, ..., axes and words by `--axis`. `name` tells a page's pictures apart.
    """
    import matplotlib as mpl

    file = io.StringIO()
    salt = f"charmodels {name}"
    with mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none", "font.size": 10.5}):
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure = _plot(curves, across, up, (4.4, 3))
        for line in figure.axes[0].lines:
            if line.get_label() == ground:
                x, y = line.get_data()
                figure.axes[0].fill_between(x, y, color=line.get_color(), alpha=0.2, linewidth=0)
        figure.savefig(file, format="svg", transparent=True, metadata=unsaid)
    drawing = file.getvalue()
    drawing = re.sub(r'<g id="[^"]*">', "<g>", drawing[drawing.index("<svg") :])
    for place, colour in enumerate(_COLOURS, 1):
        drawing = drawing.replace(colour, f"var(--curve-{place}, {colour})")
    return drawing.replace(_GREY, f"var(--axis, {_GREY})")


def _plot(
    curves: Mapping[str, Curve], across: str, up: str, inches: tuple[float, float]
) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, layout="constrained")
    axes = figure.add_subplot()
    for place, (label, (x, y)) in enumerate(curves.items()):
        colour, dashes = _COLOURS[place % len(_COLOURS)], _DASHES[place % len(_DASHES)]
        marker = "o" if len(x) <= _POINTS else None
        axes.plot(x, y, label=label, color=colour, linestyle=dashes, linewidth=2, marker=marker)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    _make_grey(axes)
    axes.legend(frameon=False, labelcolor=_GREY)
    return figure


def _make_grey(axes: "Axes") -> None:
    for spine in axes.spines.values():
        spine.set_color(_GREY)
    for name in ("top", "right"):
        axes.spines[name].set_visible(False)
    axes.tick_params(which="both", colors=_GREY)
    axes.xaxis.label.set_color(_GREY)
    axes.yaxis.label.set_color(_GREY)
    axes.grid(color=_GREY, alpha=0.25, linewidth=0.5)
