"""Named datasets: find the file of one, open a corpus by path or name, fetch what does not ship."""

import difflib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from charmodels.corpus.catalogue import DATASETS, Dataset
from charmodels.corpus.fetching import OpenUrl, download, open_https, sha256_of
from charmodels.corpus.reading import Corpus, Kind, lowercased, read_corpus
from charmodels.runtime.errors import CorpusError

__all__ = [
    "DATASETS",
    "Dataset",
    "cache_folder",
    "dataset_named",
    "fetch_dataset",
    "find_dataset",
    "open_corpus",
]

_PACKAGE = Path(__file__).resolve().parents[1]


def dataset_named(name: str, datasets: Mapping[str, Dataset] = DATASETS) -> Dataset:
    """The dataset of that name; hyphens and upper case are taken as well.

    Raises:
        CorpusError: no such name; the message has the nearest ones.
    """
    dataset = datasets.get(_plain(name))
    if dataset is None:
        raise CorpusError(
            f"there is no dataset {name!r}{_near(name, datasets)}; "
            "`python -m charmodels data list` shows all"
        )
    return dataset


def find_dataset(name: str, datasets: Mapping[str, Dataset] = DATASETS) -> Path:
    """The file of a dataset: shipped, in a folder of CHARMODELS_DATA, or fetched before.

    Only a file with the right sha256 is taken; the first one wins.

    Raises:
        CorpusError: an unknown name, or no right file; the message has the command to run next.
    """
    dataset = dataset_named(name, datasets)
    wrong = ""
    for folder in _folders():
        path = folder / dataset.file
        if path.is_file():
            if sha256_of(path) == dataset.sha256:
                return path
            wrong = wrong or f" ({path} has another sha256 than {dataset.sha256[:12]}…)"
    if dataset.ships:
        remedy = "it ships with charmodels, so install that again"
    elif dataset.url is None:
        remedy = (
            f"make {dataset.file} from {dataset.home} ({dataset.made}) "
            "and put its folder into CHARMODELS_DATA"
        )
    else:
        remedy = f"run: python -m charmodels data fetch {dataset.name}"
    raise CorpusError(f"dataset {dataset.name} is not on this machine{wrong}; {remedy}")


def open_corpus(source: str, kind: Kind | None = None, *, lowercase: bool = False) -> Corpus:
    """Read the corpus that a person named: a file where there is one, else a dataset.

    `source` of the result opens the same corpus again, with the same `lowercase`.

    Raises:
        CorpusError: neither a file nor a dataset; the message has the nearest names. And all that
            `read_corpus` and `find_dataset` raise.
    """
    corpus = _open(source, kind)
    return lowercased(corpus) if lowercase else corpus


def _open(source: str, kind: Kind | None) -> Corpus:
    path = Path(source)
    dataset = DATASETS.get(_plain(source))
    if path.is_file() or (path.exists() and dataset is None):
        return read_corpus(path, kind)
    if dataset is not None:
        corpus = read_corpus(find_dataset(dataset.name), kind or dataset.kind)
        return replace(corpus, name=dataset.name, source=dataset.name)
    beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    raise CorpusError(
        f"{source}: neither a file nor a dataset{_near(source, [*DATASETS, *beside])}; give the "
        "path of a text file, or a name from: python -m charmodels data list"
    )


def fetch_dataset(
    name: str,
    folder: Path | None = None,
    *,
    datasets: Mapping[str, Dataset] = DATASETS,
    open_url: OpenUrl = open_https,
) -> Path:
    """Have a dataset on this machine, in `folder` or by default in the cache; gives its path.

    What is there already is not fetched again: it is copied where `folder` asks for it.

    Raises:
        CorpusError: an unknown name, or a download that failed; nothing wrong is left in place.
    """
    dataset = dataset_named(name, datasets)
    try:
        here = find_dataset(dataset.name, datasets)
    except CorpusError:
        if dataset.ships:
            raise
        return download(dataset, folder or cache_folder(), open_url)
    if folder is None or here.parent == folder.resolve():
        return here
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{dataset.file}.copy"
    shutil.copyfile(here, aside)
    return aside.replace(folder / dataset.file)


def cache_folder() -> Path:
    """Where fetched datasets are kept: the user's cache on this system."""
    named = os.environ.get("XDG_CACHE_HOME") or (
        os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    )
    if named and Path(named).is_absolute():
        base = Path(named)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "charmodels" / "data"


def _folders() -> Iterator[Path]:
    """Where files of datasets are looked for, the first before the last."""
    packaged = _PACKAGE / "_data"  # in a wheel
    yield packaged if packaged.is_dir() else _PACKAGE.parent / "data"  # in a checkout
    for folder in os.environ.get("CHARMODELS_DATA", "").split(os.pathsep):
        if folder:
            yield Path(folder)
    yield cache_folder()


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _near(name: str, known: Mapping[str, Dataset] | list[str]) -> str:
    """The names most like one that is unknown, as the middle of a sentence."""
    names = {_plain(each): each for each in known}
    near = difflib.get_close_matches(_plain(Path(name).name), names, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(names[each] for each in near)}?)" if near else ""
