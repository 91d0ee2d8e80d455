"""What the folders of both Spaces share: how one gets into its place, and its card's front."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from charmodels.runtime import SettingError

TAGS = ("charmodels", "character-level", "onnx", "text-generation")
"""What people find either Space by."""

_PICTURES = Path(__file__).resolve().parents[1] / ".github"
"""Where pictures of both pages are: in a checkout, and in no installed package."""

PICTURE = "page.png"
"""What the picture is called in a staged folder."""


@contextmanager
def put_in_place(out: Path, is_ours: Callable[[Path], bool], *, force: bool) -> Iterator[Path]:
    """A folder to fill, which is renamed to `out` if all goes well; beside it is room for scraps.

    Args:
        out: where the folder goes. One that is there and empty is taken.
        is_ours: whether the folder that is there was made by the same command.
        force: replace such a one.

    Raises:
        SettingError: something else is in the way.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not force:
            raise SettingError(f"{out} is in the way; choose another --out, or --force")
        if not is_ours(out):
            reason = f"{out} was not staged by this command, so --force leaves it"
            raise SettingError(f"{reason}; choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as aside:
        folder = Path(aside) / "space"
        folder.mkdir()
        yield folder
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)


def put_picture(folder: Path, target: Literal["gradio", "static"]) -> str:
    """Copy the picture of that page there; gives the paragraph of a README that shows it.

    Nothing where there is no checkout.
    """
    picture = _PICTURES / f"{target}-space.png"
    if not picture.is_file():
        return ""
    shutil.copyfile(picture, folder / PICTURE)
    return f"![The page writes ten names]({PICTURE})\n\n"


def front_matter(facts: Mapping[str, object]) -> str:
    """What Hugging Face reads of a README: YAML, written as JSON, which quotes whatever comes."""
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items())
    return "\n".join(["---", *lines, "---", ""])
