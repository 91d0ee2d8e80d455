"""What the page as a whole needs to know of a tab."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency


@dataclass(frozen=True)
class Page:
    """A tab that is laid out: what is said anew when the language changes."""

    relabelled: Sequence[Block] = ()
    words: Callable[..., list[Any]] = lambda language, *values: []
    """Called with the language and the values of `asked`: an update for each of `relabelled`."""
    asked: Sequence[Component] = ()
    grown: Sequence[Dependency] = ()
    """Events after which there may be another model: then everything is said anew."""
