"""A folder that a Gradio Space runs: the page, its models and the runtime; no torch.

A Space installs its requirements before it has the folder, so nothing of this project can be
installed there: every module that the page imports is copied, found by reading the imports.
"""

import ast
import importlib.metadata
import re
import shutil
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from charmodels import __version__
from charmodels.runtime import SettingError
from charmodels.runtime.bundle import copy_bundle
from charmodels.runtime.sources import bundle_files
from demo.shelf import HASHES, SHIPPED, bundle_paths, open_shelf
from demo.staging import TAGS, front_matter, put_in_place, put_picture

ROOT = Path(__file__).resolve().parents[1]

_FIRST = ("demo.__main__",)
"""The module that the Space starts, whose imports lead to all the others."""

_HEADING = '"""The Space: the page on its models, for the public."""'
"""The first line of app.py, by which a folder that was staged here is known."""

_APP = f"""{_HEADING}

import os
import sys
from pathlib import Path

from demo.__main__ import Options, run

own = tuple(Path(__file__).parent / name for name in {{own!r}})
port = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
sys.exit(run(Options(bundles=own, host="0.0.0.0", port=port, behind_proxy=True, open=False)))
"""


@dataclass(frozen=True)
class Staged:
    """A folder that was staged."""

    folder: Path

    def sizes(self) -> dict[str, int]:
        """Bytes of each part at its top, and of all."""
        parts: dict[str, int] = {}
        for path in self.folder.rglob("*"):
            if path.is_file():
                part = path.relative_to(self.folder).parts[0]
                parts[part] = parts.get(part, 0) + path.stat().st_size
        return {**dict(sorted(parts.items())), "together": sum(parts.values())}


def stage(
    out: Path,
    bundles: Sequence[Path] = (),
    *,
    only: bool = False,
    title: str = "charmodels",
    models: Sequence[str] = (),
    force: bool = False,
) -> Staged:
    """Make the folder `out`: everything in a temporary one beside it, then renamed into place.

    Args:
        out: the folder to make.
        bundles: of your own; they come first on the page.
        only: leave out the models that come with the page.
        title: what the Space is called.
        models: repositories on Hugging Face that the bundles were pushed to.
        force: replace a folder that was staged before.

    Raises:
        BundleError: a bundle is missing, broken or unsafe.
        SettingError: the folder is in the way, or the page needs what a Space has not.
    """
    with put_in_place(out, _is_ours, force=force) as folder:
        shipped = Path("none") if only else SHIPPED
        open_shelf(bundles, shipped)  # refuses here what would stop it there
        modules, outside = closure(_FIRST)
        for name in modules:
            _copy(_file_of(name), folder)
        for path in sorted(ROOT.glob("demo/assets/[!.]*")):
            _copy(path, folder)
        for path in bundle_paths(bundles, shipped)[len(bundles) :]:
            copy_bundle(path, folder / path.relative_to(ROOT))
        _copy(HASHES, folder)
        own = _copy_own(folder, bundles)
        (folder / "app.py").write_text(app(own), encoding="utf-8")
        lines = "".join(f"{line}\n" for line in requirements(outside))
        (folder / "requirements.txt").write_text(lines, encoding="utf-8")
        text = card(title, models, put_picture(folder, "gradio"))
        (folder / "README.md").write_text(text, encoding="utf-8")
        shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    return Staged(out)


def app(own: Sequence[str]) -> str:
    """What the Space starts: the page for the public, on exactly these bundles and the shipped.

    A Space may still hold what was pushed before, so the folder is not searched for them.
    """
    return _APP.format(own=list(own))


def closure(first: Iterable[str]) -> tuple[list[str], set[str]]:
    """The project's modules that `first` lead to, and the packages from outside they import.

    Imports inside functions count too. A module of `demo` that trains is left where it is: the
    page looks for it before it shows its tab.

    Raises:
        SettingError: a module of the runtime or the page needs torch, or reaches elsewhere.
    """
    found: dict[str, None] = {}
    outside: set[str] = set()
    waiting = list(first)
    while waiting:
        name = waiting.pop()
        for module in (*_parents(name), name):
            if module in found or not _file_of(module).is_file():
                continue
            found[module] = None
            for imported in imports(_file_of(module), module):
                top = imported.partition(".")[0]
                if top in ("charmodels", "demo", "export"):
                    if _file_of(imported).is_file() and _runs_there(imported):
                        waiting.append(imported)
                elif top == "torch":
                    raise SettingError(f"{module} imports torch, which a Space has not")
                elif top not in sys.stdlib_module_names:
                    outside.add(top)
    return sorted(found), outside


def imports(file: Path, module: str) -> Iterator[str]:
    """Every module that a file imports, at its top or inside; a name may be a module or not."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise SettingError(f"{module} imports by dots, which nothing here does")
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def requirements(packages: Iterable[str]) -> list[str]:
    """A line for each of these that the project itself asks for, gradio apart.

    Gradio comes with the Space, in the version its card names, and brings the others. Of each the
    release this was staged with, or a later one of the same kind.
    """
    asked = {_normal(re.split(r"[\s<>=!~;\[]", line)[0]) for line in _asked()}
    brings = importlib.metadata.packages_distributions()
    wanted = {_normal(name) for package in packages for name in brings.get(package, [])}
    return [
        f"{name}~={'.'.join(importlib.metadata.version(name).split('.')[:2])}"
        for name in sorted(wanted & asked - {"gradio"})
    ]


def card(title: str, models: Sequence[str], picture: str = "") -> str:
    """The Space's README: front matter that Hugging Face reads, the picture, and what it is."""
    facts: dict[str, object] = {
        "title": title,
        "emoji": "🖋️",
        "colorFrom": "indigo",
        "colorTo": "yellow",
        "sdk": "gradio",
        "sdk_version": importlib.metadata.version("gradio"),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
        "pinned": False,
        "license": "mit",
        "short_description": "Tiny networks that write names and text letter by letter",
        "tags": TAGS,
    }
    if models:
        facts["models"] = list(models)
    command = "python -m demo.space --target gradio --out FOLDER"
    return (
        f"{front_matter(facts)}\n# {title}\n\n{picture}"
        "Character models that write letter by letter, in Spanish and English, on one CPU core and "
        f"without torch. Staged by charmodels {__version__}: `{command}`.\n\nRun it anywhere: "
        f"`pip install -r requirements.txt gradio=={facts['sdk_version']} && python app.py`.\n"
    )


def _asked() -> list[str]:
    """What the project asks for without its extras: of a checkout, or as it was installed."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        asked: list[str] = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
        return asked
    everything = importlib.metadata.requires("charmodels") or []
    return [line for line in everything if "extra ==" not in line]


def _normal(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _runs_there(module: str) -> bool:
    """Whether it is of the runtime or the page, and no page that trains or exports."""
    if not module.startswith("demo"):
        return module == "charmodels" or module.startswith("charmodels.runtime")
    ours = (i for i in imports(_file_of(module), module) if _file_of(i).is_file())
    return all(i == "charmodels" or i.startswith(("charmodels.runtime", "demo")) for i in ours)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _file_of(module: str) -> Path:
    """The file of a module or package of the project; of anything else, one that is not there."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _copy(path: Path, folder: Path) -> None:
    target = folder / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _copy_own(folder: Path, bundles: Sequence[Path]) -> list[str]:
    """Own bundles go beside app.py; returns where, in their order."""
    placed = []
    for number, where in enumerate(bundles):
        place = f"bundles/{number:02}/{Path(where).resolve().name.removesuffix('.zip')}"
        with bundle_files(where) as source:
            if not source.is_dir():
                raise SettingError(f"{where}: expected a bundle's folder or zip, not a lone graph")
            copy_bundle(source, folder / place)
        placed.append(place)
    return placed


def _is_ours(folder: Path) -> bool:
    app = folder / "app.py"
    return app.is_file() and app.read_text(encoding="utf-8", errors="replace").startswith(_HEADING)
