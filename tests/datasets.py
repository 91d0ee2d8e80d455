"""Where tests find the files: the datasets that ship, and the benchmark files that cannot."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHIPPED = REPOSITORY / "data"

_NAMED = os.environ.get("CHARMODELS_DATA", "").split(os.pathsep)
"""As said when the tests began: some of them change the variable for themselves."""


def bench_file(name: str) -> Path:
    """A benchmark file by its file name, such as `dinos.txt`.

    Looked for in the folders of CHARMODELS_DATA, then beside the checkout. Where it is absent the
    test is skipped, or fails where CI=true: there every check must run.
    """
    folders = [Path(folder) for folder in _NAMED if folder]
    folders.append(REPOSITORY.parent / "shared" / "data" / "bench")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    reason = f"benchmark file {name} is in no folder of CHARMODELS_DATA"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
