"""The page as a whole: its tabs, its language switch, its API, and how it is served.

`build_app` makes it and `serve` puts it on a port; importing this module does neither.
"""

import json
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from demo.doors import add_doors
from demo.guard import guard
from demo.pages.inside import build_inside
from demo.pages.learn import build_learn
from demo.pages.names import build_names
from demo.pages.page import Page
from demo.pages.train import build_train
from demo.pages.write import WRITERS, build_write
from demo.sessions import MAX_SESSIONS, keep_short
from demo.shelf import Shelf
from demo.trainable import Workshop
from demo.words import WORDS, language_of, say

_ASSETS = Path(__file__).parent / "assets"

_TRAIN = "train"
"""The tab that only some servers have."""

_TABS: dict[str, Callable[..., Page]] = {
    "write": build_write,
    "names": build_names,
    "inside": build_inside,
    _TRAIN: build_train,
    "learn": build_learn,
}
"""In their order; a tab's name is its place in the address, its key in the words, its style."""

_BROWSER = ("busy.", "chat.", "inside.", "learn.", "names.", "train.", "title")
"""Families of words that the browser says itself."""

_THREADS = 2 * WRITERS
"""Events at work at once: the writers, and whoever looks, reads, trains or waits for a training."""

_WAITING = 128
"""Visitors who may wait for a reply; 32 turned away 28 of 64 who came at once."""


def build_app(shelf: Shelf, workshop: Workshop | None = None) -> gr.Blocks:
    """The page with these models; the first one is chosen. With a workshop it also trains."""
    # Gradio reads these when it makes its queue. Without them it builds a table of the last
    # 10,000 events after every single one.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
    app = gr.Blocks(title=say("es", "title"), analytics_enabled=False, delete_cache=(3600, 3600))
    names = [name for name in _TABS if workshop or name != _TRAIN]
    with app:
        add_doors(shelf)
        with gr.Row(elem_id="top"):
            brand = gr.HTML(_brand("es"), elem_id="brand", apply_default_css=False)
            language = gr.Radio(
                [("Español", "es"), ("English", "en")],
                value="es",
                elem_id="language",
                container=False,
            )
        tabs, pages = [], []
        with gr.Tabs(selected="write", elem_id="tabs", overflow_behavior="wrap"):
            for name in names:
                with gr.Tab(say("es", f"tab.{name}"), id=name, elem_id=f"tab-{name}") as tab:
                    of = (workshop,) if name == _TRAIN else (shelf, language)
                    pages.append(_TABS[name](*of))
                tabs.append(tab)
        footer = gr.HTML(_footer("es"), elem_id="foot", apply_default_css=False)
        asked = [component for page in pages for component in page.asked]

        def speak(language: object, *values: object) -> list[Any]:
            chosen, told = language_of(language), iter(values)
            return [
                gr.update(value=_brand(chosen)),
                gr.update(value=chosen, label=say(chosen, "language")),
                gr.update(value=_footer(chosen)),
                *(gr.update(label=say(chosen, f"tab.{name}")) for name in names),
                *(
                    update
                    for page in pages
                    for update in page.words(chosen, *islice(told, len(page.asked)))
                ),
            ]

        spoken: dict[str, Any] = {
            "fn": speak,
            "inputs": [language, *asked],
            "outputs": [brand, language, footer, *tabs, *(b for p in pages for b in p.relabelled)],
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        for change, script in ((app.load, "load"), (language.input, "speak")):
            change(js=f"(...values) => charmodels.{script}(values)", **spoken).then(
                None, js="() => charmodels.ready()", api_visibility="private"
            )
        for page in pages:
            for grown in page.grown:
                grown.then(**spoken)
    app.queue(max_size=_WAITING, default_concurrency_limit=WRITERS, api_open=False)
    keep_short(app)
    return app


def serve(
    app: gr.Blocks, host: str, port: int, behind_proxy: bool = False, mcp: bool = False
) -> str:
    """Serve the page in the background, with `mcp` its doors as tools too; returns its address."""
    # Gradio visits its own page once at the start; a proxy for the outside must not see that.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(
            filter(None, [os.environ.get(name), "127.0.0.1", "localhost", host])
        )
    # The guard decides whom to believe about addresses; uvicorn would believe this machine.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    _, address, _ = app.launch(
        server_name=host,
        server_port=port,
        theme=_theme(),
        head=_head(),
        app_kwargs={"middleware": guard(behind_proxy, mcp)},
        prevent_thread_lock=True,
        quiet=True,
        footer_links=[],
        favicon_path=_ASSETS / "favicon.svg",
        max_file_size="1mb",
        max_threads=_THREADS,
        state_session_capacity=MAX_SESSIONS,
        strict_cors=True,
        show_error=False,
        ssr_mode=False,
        share=False,
        run_history=False,
        enable_monitoring=False,
        mcp_server=mcp,
        pwa=False,
        inline=False,
        inbrowser=False,
    )
    return str(address)


def _brand(language: Any) -> str:
    tagline, skip = say(language, "tagline"), say(language, "skip")
    return (
        f'<a class="skip" href="#message">{skip}</a>'
        f'<h1>charmodels<span class="caret" aria-hidden="true"></span></h1><p>{tagline}</p>'
    )


def _footer(language: Any) -> str:
    return f"<p>{say(language, 'footer')}</p>"


def _head() -> str:
    """Style, script and the words the browser says itself."""
    style = _style("colours") + _style("page")
    for name in _TABS:  # a tab's style reaches no other, whatever its classes are called
        style += f"@scope (#tab-{name}) {{{_style(name)}}}"
    scripts = ("page", "pieces")
    script = "".join((_ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in scripts)
    words = {key: sentence for key, sentence in WORDS.items() if key.startswith(_BROWSER)}
    extra = (
        *("beginning.empty", "beginning.empty.text", "clear", "forget", "model", "stop"),
        *("settings", "temperature", "temperature.help", "balance", "balance.help"),
        *("seed", "seed.help", "seed.empty"),
    )
    words |= {key: WORDS[key] for key in extra}
    data = json.dumps(words, ensure_ascii=True).replace("<", "\\u003c")
    return (
        f"<style>{style}</style>"
        f"<script>window.charmodelsWords = {data};</script><script>{script}</script>"
    )


def _style(name: str) -> str:
    return (_ASSETS / f"{name}.css").read_text(encoding="utf-8")


def _theme() -> gr.themes.Base:
    """System fonts (nothing is fetched) and the page's own colours for Gradio's components."""
    sans = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
    theme = gr.themes.Base(font=sans, font_mono=mono, text_size="lg", radius_size="md")
    colours = {
        "body_background_fill": "var(--paper)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--soft)",
        "background_fill_primary": "var(--sheet)",
        "background_fill_secondary": "var(--paper)",
        "block_background_fill": "transparent",
        "block_border_color": "var(--rule)",
        "block_info_text_color": "var(--soft)",
        "block_label_text_color": "var(--ink)",
        "block_title_text_color": "var(--ink)",
        "border_color_primary": "var(--rule)",
        "input_background_fill": "var(--sheet)",
        "input_border_color": "var(--edge)",
        "input_border_color_focus": "var(--focus)",
        "input_placeholder_color": "var(--soft)",
        "slider_color": "var(--indigo)",
        "button_primary_background_fill": "var(--gold)",
        "button_primary_background_fill_hover": "var(--gold-deep)",
        "button_primary_text_color": "var(--on-gold)",
        "button_secondary_background_fill": "var(--sheet)",
        "button_secondary_background_fill_hover": "var(--paper)",
        "button_secondary_text_color": "var(--ink)",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_hover": "var(--sheet)",
        "checkbox_label_background_fill_selected": "var(--sheet)",
        "checkbox_label_text_color": "var(--ink)",
    }
    both = {f"{name}_dark": value for name, value in colours.items()}
    return theme.set(
        **colours,
        **both,
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_padding="0",
        input_shadow="none",
        input_shadow_focus="none",
        layout_gap="16px",
    )
