"""A dataset that ships, as a folder for Hugging Face: the file and the card it needs there."""

import re
import shutil
from pathlib import Path

from charmodels.corpus.catalogue import Dataset
from charmodels.corpus.registry import find_dataset, open_corpus
from charmodels.runtime.errors import CorpusError

_LICENCES = {"MIT": "mit", "CC-BY-4.0": "cc-by-4.0"}
"""Licences of ours that Hugging Face has an id for; of others it wants a name like an id."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Hugging Face's size categories, by the number of lines they end below."""


def write_data_folder(dataset: Dataset, out: Path) -> None:
    """Write the dataset's file and OUT/README.md into a new folder.

    Raises:
        CorpusError: the dataset is not ours to publish, or `out` exists.
    """
    if not dataset.ships:
        told = f"its licence: {dataset.licence}; its home: {dataset.home}"
        raise CorpusError(f"{dataset.name} does not ship, so it is not ours to publish ({told})")
    if out.exists():
        raise CorpusError(f"{out} exists; choose another --out")
    file = find_dataset(dataset.name)
    out.mkdir(parents=True)
    shutil.copyfile(file, out / dataset.file)
    lines = file.read_bytes().count(b"\n")
    (out / "README.md").write_text(data_card(dataset, lines), encoding="utf-8")


def data_card(dataset: Dataset, lines: int) -> str:
    """The card: front matter that Hugging Face reads, then what a person should know."""
    from huggingface_hub import DatasetCardData  # after --help has been answered

    known = _LICENCES.get(dataset.licence)
    front = DatasetCardData(
        pretty_name=dataset.title,
        language=dataset.language,
        license=known or "other",
        license_name=None if known else _as_id(dataset.licence),
        task_categories=["text-generation"],
        size_categories=next(said for end, said in _SIZES if lines < end),
        tags=["charmodels", "character-level", dataset.kind],
    )
    corpus = open_corpus(dataset.name)
    is_list = dataset.kind == "names"
    read = f"{len(corpus.records):,} distinct names" if is_list else "one text"
    held_out = (
        "names sorted by the sha256 of their UTF-8 bytes, the first tenth (1,000 at most) for the "
        "test, as many for validation"
        if is_list
        else "the last tenth for the test, the 2% before it for validation"
    )
    return f"""---
{front.to_yaml()}
---

# {dataset.title}

`{dataset.file}`: {dataset.bytes:,} bytes, {lines:,} lines, UTF-8 in NFC; {read}.

- From: {dataset.home}.
- Made: {dataset.made}.
- Licence: {dataset.licence}.
- Credit: {dataset.credit}.
- sha256: `{dataset.sha256}`

It comes as one file without splits. charmodels holds out: {held_out}.

```sh
python -m charmodels train {dataset.file} --out runs/{dataset.name}
```
"""


def _as_id(words: str) -> str:
    """Small letters and hyphens: public domain is public-domain."""
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")
