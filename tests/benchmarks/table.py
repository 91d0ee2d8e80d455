"""Notebook 000's whole table: 9,761,609 rows, 3.4 million names, made up, read and batched.

The real file (historico-nombres.csv) is not needed: rows of its size and shape are.
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.rows import Row

ROWS, DISTINCT = 9_761_609, 3_439_832
SYLLABLES = [c + v for c in "bcdfghjlmnprstvz" for v in "aeiou"]


def rows() -> list[Row]:
    """In a process of its own, so that its memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "historico-nombres.csv"
        write_table(path)
        command = [sys.executable, "-m", "tests.benchmarks.table", str(path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names, read, ready, megabytes = (float(word) for word in said.split())
    note = f"{ROWS:,} rows, {names:,.0f} distinct names"
    return [
        Row(name="table: read, counts summed", value=read, unit="CPU s", note=note),
        Row(name="table: first training batch ready", value=ready, unit="CPU s"),
        Row(name="table: memory at most", value=megabytes, unit="MB", limit=4_096),
    ]


def write_table(path: Path) -> None:
    """Every name once, then again and again, the first ones more often."""
    rng = random.Random(0)
    names: dict[str, None] = {}
    while len(names) < DISTINCT:
        words = ("".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(2))
        names[" ".join(words).title()] = None
    known = list(names)
    with path.open("w", encoding="utf-8") as file:
        file.write("nombre,cantidad,anio\n")
        for row in range(ROWS):
            name = known[row if row < DISTINCT else int(rng.random() ** 3 * DISTINCT)]
            file.write(f"{name},{rng.randint(1, 99)},{1922 + row % 94}\n")


def measure(path: Path) -> None:
    """Print distinct names, CPU seconds to read and to the first batch, and megabytes."""
    import torch

    from charmodels.corpus.reading import read_corpus
    from charmodels.corpus.splitting import split_corpus
    from charmodels.runtime.vocabulary import Vocabulary
    from charmodels.training.batches import NameBatches

    start = time.process_time()
    corpus = read_corpus(path)
    read = time.process_time() - start
    vocabulary = Vocabulary.of(corpus.records)
    train = [vocabulary.encode(name) for name in split_corpus(corpus).train]
    NameBatches(train, None, 64, 0, torch.device("cpu")).batch(0)
    ready = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(len(corpus.records), read, ready, peak)


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
