"""The n-gram: how long counting takes, how fast it writes, and what held-out characters cost it.

The order is chosen on the validation part, counted on the training part; the test part is read
once. Modified Kneser-Ney has no other setting.
"""

import time

import numpy as np

from charmodels.corpus.reading import Corpus
from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.ngram.counting import MAX_ORDER, count
from charmodels.ngram.ngram import Ngram
from charmodels.ngram.packing import packed_bytes
from charmodels.ngram.pruning import prune
from charmodels.ngram.smoothing import smooth, smooth_best
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.generation import Stream
from charmodels.runtime.sampling import Sampling
from charmodels.runtime.vocabulary import Ids, Vocabulary
from tests.benchmarks.rows import Row

DATASETS = ("makemore_names", "mx_municipios", "dinos", "tinyshakespeare")
ORDER, CHARS = 7, 5_000
"""The order that is timed and pruned, and characters streamed."""

LEAST_NATS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0)
"""What a follower must save over the training part to stay, one n-gram for each."""


def rows() -> list[Row]:
    """Nats per character of every list at hand; seconds and characters a second for the text."""
    measured = []
    for name in DATASETS:
        try:
            corpora = [open_corpus(name)]
        except CorpusError as error:
            print(f"  {name}: skipped, {error}")
            continue
        if name == "dinos":
            corpora.append(open_corpus(name, lowercase=True))
        measured += [_quality(corpus) for corpus in corpora]
        if name == "tinyshakespeare":
            measured += [*_speed(corpora[0]), *_pruning(corpora[0])]
    return measured


def _encoded(corpus: Corpus) -> tuple[list[list[Ids]], int]:
    """The ids of train, validation and test, and how many different ones there are."""
    split = split_corpus(corpus)
    vocabulary = Vocabulary.of(corpus.records)
    parts = (split.train, split.validation, split.test)
    return [[vocabulary.encode(record) for record in part] for part in parts], len(vocabulary)


def _quality(corpus: Corpus) -> Row:
    endless = corpus.kind == "text"
    (train, validation, test), vocab = _encoded(corpus)
    start = time.process_time()
    counts = count(train, vocab, order=MAX_ORDER, endless=endless)
    ngram = smooth_best(counts, validation, endless=endless)
    seconds = time.process_time() - start
    nats = ngram.score(test, endless=endless)
    return Row(
        name=f"{corpus.name}{', lower-cased' if corpus.lowercase else ''}, test, nats/character",
        value=round(float(nats.mean()), 4),
        unit="nats",
        note=f"order {ngram.order} of 2 to {MAX_ORDER}, {seconds:.2f} CPU seconds, "
        f"{len(ngram.backoff):,} contexts, {len(ngram.shares):,} followers, "
        f"{len(nats):,} characters; split {split_corpus(corpus).hash[:12]}",
    )


def _speed(corpus: Corpus) -> list[Row]:
    (train, _, _), vocab = _encoded(corpus)
    chars = sum(map(len, train))
    start = time.process_time()
    ngram = smooth(count(train, vocab, order=ORDER, endless=True), ORDER)
    seconds = time.process_time() - start
    return [
        Row(
            name=f"count and smooth 1 million characters, order {ORDER}",
            value=seconds / chars * 1e6,
            unit="CPU s",
            limit=3.0,
            note=f"{corpus.name} train, {chars:,} characters",
        ),
        Row(
            name=f"stream, order {ORDER}, batch 1",
            value=CHARS / _stream(ngram),
            unit="characters/s",
        ),
    ]


def _pruning(corpus: Corpus) -> list[Row]:
    """Bytes against nats, on the validation part: the test part chooses no threshold."""
    (train, validation, _), vocab = _encoded(corpus)
    whole = smooth(count(train, vocab, order=ORDER, endless=True), ORDER)
    measured = []
    for least in LEAST_NATS:
        ngram = prune(whole, least)
        contexts, followers = len(ngram.backoff), len(ngram.shares)
        megabytes = packed_bytes(ngram) / 1e6
        measured.append(
            Row(
                name=f"order {ORDER} pruned at {least:g} nats, validation, nats/character",
                value=round(float(ngram.score(validation, endless=True).mean()), 4),
                unit="nats",
                note=f"{megabytes:.2f} MB packed, {contexts:,} contexts, {followers:,} followers",
            )
        )
    return measured


def _stream(ngram: Ngram) -> float:
    """Seconds to write CHARS characters."""
    nothing = np.array([], dtype=np.int64)
    stream = Stream(ngram, nothing, sampling=Sampling(), max_chars=CHARS, seed=0, endless=True)
    start = time.process_time()
    written = sum(1 for _ in stream)
    assert written == CHARS
    return time.process_time() - start
