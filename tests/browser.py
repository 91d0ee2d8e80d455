"""Finds a Chromium for the browser tests and opens it so that it talks to nobody but the page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

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
