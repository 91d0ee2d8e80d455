"""What the page as a whole needs to know of a tab."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
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


def messages(listener: str) -> gr.HTML:
    """What arrives here goes to `charmodels.<listener>` of a tab's script; nothing is drawn.

    A component of its own: to change a property of the one that draws the tab would draw it anew.
    The tab is drawn when it is first opened, so what arrived before is told then.
    """
    return gr.HTML(
        None,
        elem_classes="messages",
        html_template="<div></div>",
        js_on_load=f"const tell = () => charmodels.{listener}(props.value);"
        "watch('value', tell); tell();",
        apply_default_css=False,
    )
