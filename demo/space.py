"""The command that stages the page for Hugging Face: `python -m demo.space --out FOLDER`.

A static Space is free for everyone: the models run in the visitor's browser. A Gradio Space is the
served page, with its chat for programs, and wants a paid plan.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_MIRRORED = ("bundles/", "demo/bundles/", "models/")
"""Where the folders of both targets hold models: a push takes those away that are there no more."""


@dataclass(frozen=True)
class Options:
    """Stage the page as a folder of its own, ready for a Hugging Face Space.

    Without bundles it takes the models that come with it.
    """

    bundles: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[BUNDLE ...]")
    ] = ()
    """Bundles of your own, made with python -m export; they come first on the page."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = tyro.MISSING
    """The folder to make."""
    target: Literal["static", "gradio"] = "static"
    """static: plain files for any web server, the models run in the browser. gradio: the page that
    python -m demo serves, with all that it needs."""
    only: bool = False
    """Leave out the models that come with the page."""
    title: str = "charmodels"
    """What the Space is called."""
    models: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="USER/NAME")
    ] = ()
    """A repository on Hugging Face that one of these bundles was pushed to, for the Space's card;
    once for each."""
    force: bool = False
    """Put the new folder in the place of one that was staged before."""
    push: Annotated[str | None, tyro.conf.arg(metavar="USER/NAME")] = None
    """Then make or update this Space on Hugging Face; lists every file and what becomes of it
    first. Models that the folder has no more are deleted there; other files of its own stay."""
    dry_run: bool = False
    """With --push: list, and change nothing there."""
    private: bool = False
    """With --push: make a new Space that only its owner sees."""


def main(argv: Sequence[str] | None = None) -> int:
    """Stage the folder; returns the exit code."""
    return run(tyro.cli(Options, args=argv, prog="python -m demo.space"))


def run(options: Options) -> int:
    """Stage, and say what was made and what of it a visitor downloads; push where that is asked."""
    from charmodels.runtime import CharModelError

    try:
        _stage(options)
    except CharModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _stage(options: Options) -> None:
    from charmodels.publish import Repository, publish
    from charmodels.runtime import SettingError
    from demo import gradio_space, static_space

    space = None
    if options.push is not None:
        space = Repository(options.push, "space", options.target, mirrored=_MIRRORED)
    elif options.dry_run or options.private:
        raise SettingError("--dry-run and --private go with --push USER/NAME")
    for name in options.models:
        Repository(name)  # refuses what is none
    target = gradio_space if options.target == "gradio" else static_space
    staged = target.stage(
        options.out,
        options.bundles,
        only=options.only,
        title=options.title,
        models=options.models,
        force=options.force,
    )
    for name, size in staged.sizes().items():
        print(f"{name:<44} {size / 1000:>9,.1f} kB", file=sys.stderr)
    if space:
        _, address = publish(options.out, space, private=options.private, dry_run=options.dry_run)
        done = f"it is at {address}" if address else "nothing was sent (--dry-run)"
        print(done, file=sys.stderr)
        return
    look = f"python -m http.server --directory {options.out}"
    if options.target == "gradio":
        look = f"cd {options.out}, then in a new environment what its README.md says"
    print(f"look at it: {look}", file=sys.stderr)
    print(options.out)


if __name__ == "__main__":
    sys.exit(main())
