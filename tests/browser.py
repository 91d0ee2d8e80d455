"""Finds a Chromium for the browser tests and opens it so that it talks to nobody but the page."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_chromium() -> str | None:
    """$CHROMIUM, or a Chromium on the PATH, or the one `playwright install chromium` made."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        bundled = playwright.chromium.executable_path
    return bundled if Path(bundled).is_file() else None


def missing(reason: str) -> None:
    """Skip the test, but fail where CI=true: there the thing has to be installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; CI must not skip it")
    pytest.skip(reason)


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """A headless Chromium; skips (or fails under CI=true) when there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install -e '.[dev]'")
    path = find_chromium()
    if path is None:
        missing("no Chromium on the PATH or in $CHROMIUM: playwright install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


def profiles(chrome: Any, timeout_ms: float, **always: Any) -> Callable[..., Any]:
    """Opens a browser profile with these options, made once: a warm cache opens a page in half."""
    made: dict[str, Any] = {}

    def profile(**options: Any) -> Any:
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = chrome.new_context(**always, **options)
            made[key].set_default_timeout(timeout_ms)
        return made[key]

    return profile


def complaints(tab: Any, address: str) -> list[str]:
    """What must not happen in this tab, as it happens: other hosts, errors, dialogs."""
    told: list[str] = []

    def asked(request: Any) -> None:
        if not request.url.startswith((address + "/", "data:", "blob:")):
            told.append(f"asked another host: {request.url}")

    def logged(message: Any) -> None:
        if message.type in ("error", "warning"):
            told.append(f"console {message.type}: {message.text}")

    def opened(dialog: Any) -> None:
        told.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    tab.on("request", asked)
    tab.on("console", logged)
    tab.on("pageerror", lambda error: told.append(f"script: {error}"))
    tab.on("dialog", opened)
    return told


CONTRAST = """node => {
  const parse = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number); // a mixed colour's go from 0 to 1
    return text.startsWith("color(") ? numbers.map((n, i) => (i < 3 ? 255 * n : n)) : numbers;
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  let ground = node;
  let fill = parse(getComputedStyle(ground).backgroundColor);
  while (fill.length === 4 && fill[3] === 0) {
    ground = ground.parentElement;
    fill = parse(getComputedStyle(ground ?? document.body).backgroundColor);
  }
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(fill)].sort((p, q) => q - p);
  return (a + 0.05) / (b + 0.05);
}"""
"""How far a node's text stands out from what is behind it, as WCAG counts."""
