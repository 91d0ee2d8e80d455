"""A bundle in the form that other software expects: one file for each."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from charmodels.runtime.errors import BundleError
from charmodels.runtime.model import load_bundle
from charmodels.runtime.sources import bundle_files
from export.neighbours.hub import write_hub_folder
from export.neighbours.icefall import write_icefall
from export.neighbours.triton import write_triton

Neighbour = Literal["triton", "icefall", "hub"]

WRITERS: dict[Neighbour, Callable[[Path, Path], None]] = {
    "triton": write_triton,
    "icefall": write_icefall,
}


def write_for(
    neighbour: Neighbour,
    where: Path,
    out: Path,
    *,
    force: bool = False,
    user: str = "USER",
    licence: str | None = None,
) -> None:
    """Check the bundle at `where` and write it for `neighbour` into the folder `out`.

    `user` is whose repository the card for Hugging Face names, `licence` the model's on it.

    Raises:
        BundleError: the bundle is unsound or not of the kind the neighbour takes, or `out` exists
            and not `force`, which writes over what has the same names and removes nothing.
    """
    if (where / "run.json").is_file() and not (where / "bundle.json").is_file():
        raise BundleError(
            f"{where} is a run; make a bundle of it first: "
            f"python -m export {where} --out {where.name}-bundle"
        )
    if out.exists() and not force:
        raise BundleError(f"{out} exists; choose another --out, or write over it with --force")
    if out.exists() and where.exists() and out.samefile(where):
        raise BundleError(f"{out} is the bundle itself; choose another --out")
    with bundle_files(where) as folder:
        if not folder.is_dir():
            raise BundleError(f"{where}: expected a bundle's folder, not a lone graph")
        model = load_bundle(folder)
        if neighbour == "hub":
            write_hub_folder(folder, out, model, user, licence)
        else:
            WRITERS[neighbour](folder, out)
