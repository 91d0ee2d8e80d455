"""Bundles that tests share, and settings that make a test the same on every machine."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from charmodels.runtime import Model, load_bundle
from tests.browser import open_browser
from tests.tiny import write_tiny

# One thread, said before anything imports torch: a second makes small models slower, not quicker.
os.environ["OMP_NUM_THREADS"] = "1"

# The same examples on every run, and no time limit for one: machines that test are busy.
settings.register_profile("charmodels", derandomize=True, deadline=None)
settings.load_profile("charmodels")


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    """A Chromium for a file's tests. While it is open nothing in them may start an event loop."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def names_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny bundle of names, random weights. A test that changes it copies it."""
    return write_tiny(tmp_path_factory.mktemp("bundles") / "names", "names")


@pytest.fixture(scope="session")
def text_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny bundle of text."""
    return write_tiny(tmp_path_factory.mktemp("bundles") / "text", "text")


@pytest.fixture(scope="session")
def names_model(names_bundle: Path) -> Model:
    return load_bundle(names_bundle)


@pytest.fixture(scope="session")
def text_model(text_bundle: Path) -> Model:
    return load_bundle(text_bundle)
