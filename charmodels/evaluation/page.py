"""An evaluation as a report to show around: one HTML file, or Markdown with its pictures beside it.

The HTML holds its pictures and its style, runs no script and asks no host for anything. What comes
from outside (the names and titles of a stranger's bundle, and what a model wrote) is escaped.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from charmodels.aside import write_aside
from charmodels.corpus.splitting import Split
from charmodels.evaluation.figures import group_figures
from charmodels.evaluation.novelty import QUANTILES
from charmodels.evaluation.plots import Curve, curves_svg
from charmodels.runtime.errors import SettingError

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

SHOWN, SHOWN_CHARS = 10, 240
"""Samples shown, and characters of each at most."""

_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIXES = (".html", ".md")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was measured, and how to measure it again."""

    title: str
    """The dataset's title, or the folder's name."""
    summary: str
    """The model in a few words."""
    of_names: bool
    facts: Mapping[str, str]
    """Label to words: the model, its data, the split, the seeds."""
    warning: str
    """What makes the figures doubtful; empty when nothing does."""
    command: str
    learning: Curve | None
    """Characters read and validation nats per character; None for a bundle, which has no log."""


@dataclass(frozen=True)
class Sample:
    """One text the model wrote."""

    text: str
    mark: str
    """new, or where a name stands: training, validation or held-out; empty for a text."""


@dataclass(frozen=True)
class Bar:
    """What a held-out character costs one reader, nats."""

    label: str
    nats: float
    share: float
    """Of the longest bar."""


@dataclass(frozen=True)
class Plot:
    """A picture, its title and a sentence on how to read it."""

    name: str
    title: str
    caption: str
    svg: str


def check_report(path: Path) -> None:
    """Refuse a report's name, and miss what it needs, before the work that would fill it.

    Raises:
        SettingError: it ends neither in .html nor in .md, or its folder does not exist.
        ModuleNotFoundError: jinja2 or matplotlib is not installed.
    """
    if path.suffix not in _SUFFIXES:
        raise SettingError(f"report is {path}; expected a file that ends in .html or .md")
    if path.is_dir():
        raise SettingError(f"report is {path}, a folder; expected a file in it")
    if not path.parent.is_dir():
        raise SettingError(f"report is {path}; there is no folder {path.parent}")
    import jinja2  # noqa: F401
    import matplotlib as mpl  # noqa: F401


def write_report(
    path: Path,
    subject: Subject,
    measured: Mapping[str, Any],
    samples: Sequence[str],
    split: Split,
) -> list[Path]:
    """Write the report, each file whole or not at all, and say which; the last one is `path`.

    Args:
        path: ends in .html or .md; pictures of the latter are written beside it.
        subject: what was measured.
        measured: the figures of `measure`.
        samples: what it was measured on, as `draw_samples` gave it.
        split: the parts the samples are compared with.
    """
    plots = [*_learning(subject), *_lengths(subject, samples, split), _copying(subject, measured)]
    facts = {
        "subject": subject,
        "bars": _bars(measured),
        "plots": plots,
        "samples": [_shown(sample, subject, split) for sample in samples[:SHOWN]],
        "groups": group_figures(measured),
        "measured": measured,
    }
    environment = _environment()
    if path.suffix == ".html":
        from markupsafe import Markup

        # Drawn here, of figures and our own words alone.
        pictures = {plot.name: Markup(plot.svg) for plot in plots}
        page = environment.get_template("report.html").render(**facts, pictures=pictures)
        write_aside(path, page.encode(errors="replace"))
        return [path]
    beside = {plot.name: path.with_name(f"{path.stem}-{plot.name}.svg") for plot in plots}
    for plot in plots:
        write_aside(beside[plot.name], plot.svg.encode())
    links = {name: quote(file.name) for name, file in beside.items()}
    page = environment.get_template("report.md").render(**facts, links=links)
    write_aside(path, page.encode(errors="replace"))
    return [*beside.values(), path]


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"markdown": _markdown, "indented": _indented}
    return environment


def _markdown(text: str) -> "Markup":
    """Words for a line or a table of Markdown: nothing in them is HTML, a link or a mark."""
    from markupsafe import Markup

    line = html.escape(" ".join(text.split()), quote=False)
    return Markup(re.sub(r"[\\`*_\[\]#|~:@.)]|^[-+]", r"\\\g<0>", line))


def _indented(text: str) -> "Markup":
    """Words as a block of code, as they are: four spaces before each line end its meaning."""
    from markupsafe import Markup

    return Markup("\n".join("    " + line for line in re.split(r"\r\n?|\n", text)))


def _bars(measured: Mapping[str, Any]) -> list[Bar]:
    """The model, what is in it, and those that only count; the cheapest first."""
    order = measured.get("ngram_order")
    readers = {
        "this model": measured.get("nats_per_char"),
        "its network alone": measured.get("network_nats_per_char"),
        f"n-gram, order {order}": measured.get("ngram_nats_per_char"),
        "bigram": measured.get("bigram_nats_per_char"),
    }
    known = {label: nats for label, nats in readers.items() if nats is not None}
    most = max([*known.values(), 1e-9])
    bars = (Bar(label, nats, nats / most) for label, nats in known.items())
    return sorted(bars, key=lambda bar: bar.nats)


def _shown(sample: str, subject: Subject, split: Split) -> Sample:
    cut = sample[:SHOWN_CHARS] + ("…" if len(sample) > SHOWN_CHARS else "")
    if not subject.of_names:
        return Sample(cut, "")
    parts = {"training": split.train, "validation": split.validation, "held-out": split.test}
    return Sample(cut, next((mark for mark, part in parts.items() if sample in part), "new"))


def _learning(subject: Subject) -> list[Plot]:
    if subject.learning is None or not subject.learning[0]:
        return []
    chars, nats = subject.learning
    curves = {"validation": ([each / 1e6 for each in chars], nats)}
    return [
        Plot(
            "learning",
            "How it learned",
            "Nats per character of the validation part, as training went on.",
            curves_svg(
                curves,
                across="million characters read in training",
                up="nats per character",
                name="learning",
            ),
        )
    ]


def _lengths(subject: Subject, samples: Sequence[str], split: Split) -> list[Plot]:
    """Shares of names by length; a text has no length of its own."""
    if not subject.of_names:
        return []
    parts = {"samples": samples, "held-out names": split.test, "training names": split.train}
    longest = int(max(np.percentile([*map(len, part)], 99.5) for part in parts.values()))
    curves = {}
    for label, part in parts.items():
        counts = np.bincount([*map(len, part)], minlength=longest + 1)[1 : longest + 1]
        curves[label] = (list(range(1, longest + 1)), (100 * counts / len(part)).tolist())
    drawn = curves_svg(
        curves,
        across="characters of a name",
        up="% of names",
        name="lengths",
        ground="training names",
    )
    caption = (
        "How many names have each length; the longest, 0.5% at most, are not drawn. Samples follow "
        "the training names if all is well; held-out names are few, and waver."
    )
    return [Plot("lengths", "Lengths", caption, drawn)]


def _copying(subject: Subject, measured: Mapping[str, Any]) -> Plot:
    key = "edit_distance_curve" if subject.of_names else "verbatim_curve"
    across = (100 * QUANTILES).tolist()
    own, theirs = measured[key], measured[f"{key}_held_out"]
    if subject.of_names:
        held_out = "held-out names"
        axes = ("% of names, the nearest first", "distance to training")
        caption = (
            "Edit distance from each name to the nearest training name, divided by the longer "
            "one's length. A curve below that of the held-out names is copying."
        )
    else:
        held_out = "held-out text"
        axes = ("% of characters, the shortest first", "characters found in training")
        caption = (
            "From each character on, the longest passage that stands word for word in the training "
            "text. A curve above that of the held-out text is copying."
        )
    curves = {"samples": (across, own), held_out: (across, theirs)}
    drawn = curves_svg(curves, across=axes[0], up=axes[1], name="copying")
    return Plot("copying", "The copying curve", caption, drawn)
