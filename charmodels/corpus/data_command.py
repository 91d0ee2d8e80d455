"""`python -m charmodels data list | fetch NAME | card NAME`: results on stdout, talk on stderr.

User errors leave these functions as CorpusError, one line, for the command line to print.
"""

import json
import sys
from pathlib import Path

from charmodels.corpus.card import write_data_folder
from charmodels.corpus.catalogue import DATASETS, Dataset
from charmodels.corpus.registry import dataset_named, fetch_dataset, find_dataset
from charmodels.runtime.errors import CorpusError

_COLUMNS = ("name", "kind", "language", "bytes", "where", "licence", "title")


def list_command(as_json: bool) -> int:
    """Print every dataset: a table on a terminal, else tab-separated lines, or one JSON object."""
    rows = [_facts(dataset) for dataset in DATASETS.values()]
    if as_json:
        print(json.dumps({"datasets": rows}, ensure_ascii=False, indent=2))
    elif sys.stdout.isatty():
        _print_table(rows)
        print("next: python -m charmodels data fetch NAME", file=sys.stderr)
    else:
        print(*_COLUMNS, sep="\t")
        for row in rows:
            print(*(row[column] for column in _COLUMNS), sep="\t")
    return 0


def fetch_command(name: str, folder: Path | None) -> int:
    """Have a dataset on this machine and print the path of its file.

    Raises:
        CorpusError: an unknown name, or a download that failed.
    """
    dataset = dataset_named(name)
    print(f"{dataset.title}: {dataset.licence}; credit: {dataset.credit}", file=sys.stderr)
    path = fetch_dataset(name, folder)
    print(path)
    print(
        f"next: python -m charmodels train {dataset.name if folder is None else path}"
        f" --out runs/{dataset.name}",
        file=sys.stderr,
    )
    return 0


def card_command(name: str, out: Path) -> int:
    """Write a dataset's folder for Hugging Face and print its path.

    Raises:
        CorpusError: an unknown name, one that is not ours to publish, or the folder exists.
    """
    write_data_folder(dataset_named(name), out)
    print(out)
    upload = f"hf upload USER/{out.name} {out} --repo-type dataset"
    print(f"next: {upload}", file=sys.stderr)
    return 0


def _facts(dataset: Dataset) -> dict[str, str | int | bool | None]:
    try:
        path = str(find_dataset(dataset.name))
    except CorpusError:
        path = None
    where = "here" if path else "to fetch" if dataset.url else "to make"
    return {
        "name": dataset.name,
        "kind": dataset.kind,
        "language": dataset.language,
        "bytes": dataset.bytes,
        "where": "ships" if path and dataset.ships else where,
        "licence": dataset.licence,
        "title": dataset.title,
        "credit": dataset.credit,
        "home": dataset.home,
        "url": dataset.url,
        "made": dataset.made,
        "sha256": dataset.sha256,
        "verified": dataset.verified,
        "path": path,
    }


def _print_table(rows: list[dict[str, str | int | bool | None]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in _COLUMNS:
        table.add_column(
            column,
            justify="right" if column == "bytes" else "left",
            no_wrap=column == "name",
        )
    for row in rows:
        cells = (f"{row['bytes']:,}" if each == "bytes" else str(row[each]) for each in _COLUMNS)
        table.add_row(*cells)
    Console().print(table)
