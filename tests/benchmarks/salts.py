"""Short lists, where one split says little: the default against Kneser-Ney over five of them.

Both are measured on the same held-out names, name by name, so that the difference has a standard
error of its own; the n-gram alone is of order 8 and counts the validation part too.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from charmodels.commands.sample import open_model
from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.ngram.counting import count
from charmodels.ngram.smoothing import smooth
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.sampling import Floats
from charmodels.runtime.vocabulary import Vocabulary
from tests.benchmarks.rows import Row

LISTS = ("mx_municipios", "dinos")
SALTS = ("", "1", "2", "3", "4")
SECONDS, ORDER, LIMIT = 60, 8, 0.055


def rows() -> list[Row]:
    """How far below the n-gram, mean over the salts; a row each as well."""
    found = []
    for name in LISTS:
        try:
            open_corpus(name)
        except CorpusError as error:
            print(f"  {name}: skipped, {error}")
            continue
        below = []
        for salt in SALTS:
            ours, theirs, chars = _nats(name, salt)
            gain = float((theirs - ours).sum() / chars.sum())
            each = (theirs - ours) - gain * chars  # a ratio's error, by its residuals
            error = float(np.sqrt((each**2).sum()) / chars.sum())
            below.append(gain)
            note = (
                f"{ours.sum() / chars.sum():.4f} against {theirs.sum() / chars.sum():.4f}, "
                f"standard error {error:.4f}, {len(chars)} names"
            )
            found.append(Row(name=f"{name}, salt '{salt}'", value=gain, unit="nats", note=note))
        error = float(np.std(below, ddof=1) / len(below) ** 0.5)
        found.append(
            Row(
                name=f"{name}: below Kneser-Ney of order {ORDER}",
                value=round(float(np.mean(below)), 4),
                unit="nats/character",
                limit=LIMIT,
                at_least=True,
                note=f"mean of {len(SALTS)} splits, standard error {error:.4f}; at most "
                f"{SECONDS} CPU s each",
            )
        )
    return found


def _nats(name: str, salt: str) -> tuple[Floats, Floats, Floats]:
    """Of each held-out name: what it costs the default, the n-gram, and its characters."""
    corpus = open_corpus(name)
    split, vocabulary = split_corpus(corpus, salt), Vocabulary.of(corpus.records)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "charmodels", "train", name, "--out", str(run)]
        command += ["--max-seconds", str(SECONDS), "--split-salt", salt, "--no-test"]
        subprocess.run(command, check=True, capture_output=True)
        model = open_model(run)
        ours = np.array([model.score(each).sum() for each in split.test])
    known = [vocabulary.encode(each) for each in (*split.train, *split.validation)]
    ngram = smooth(count(known, len(vocabulary), order=ORDER, endless=False), ORDER)
    test = [vocabulary.encode(each) for each in split.test]
    theirs = np.array([ngram.score([each], endless=False).sum() for each in test])
    return ours, theirs, np.array([len(each) + 1.0 for each in test])
