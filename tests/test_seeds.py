"""Notebooks 000 and 004: the fault in their layout, what it costs, and what mending it brings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from charmodels.__main__ import main
from charmodels.corpus.reading import lowercased, read_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.ngram.bigram import count_bigram
from charmodels.recipes import RECIPES
from charmodels.runtime.vocabulary import Ids, Vocabulary
from charmodels.training.checkpoint import read_run
from tests.datasets import bench_file
from tests.seed_layout import (
    columns,
    fresh_model,
    loss_of,
    nats_as_sampled,
    nats_as_trained,
    sequence,
    train_as_the_notebook,
)


@pytest.fixture(scope="module")
def dinosaurs() -> tuple[Vocabulary, list[Ids], list[Ids]]:
    """Vocabulary, training names, and validation names: the test part is read once, elsewhere."""
    corpus = lowercased(read_corpus(bench_file("dinos.txt")))
    split, vocabulary = split_corpus(corpus), Vocabulary.of(corpus.records)
    train, held_out = ([vocabulary.encode(n) for n in p] for p in (split.train, split.validation))
    return vocabulary, train, held_out


def bigram_floor(names: list[Ids], vocab: int) -> float:
    """Nats per character that no memoryless model can go below on these very names."""
    counts = np.zeros((vocab, vocab))
    for name in names:
        whole = np.concatenate([[0], name, [0]])
        np.add.at(counts, (whole[:-1], whole[1:]), 1)
    there = counts > 0
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return float(-(counts[there] * np.log(shares[there])).sum() / counts.sum())


def test_their_layout_never_teaches_the_recurrent_matrix() -> None:
    model, name = fresh_model(27), np.array([4, 9, 14, 15])
    recurrent = dict(model.named_parameters())["layers.0.rnn.weight_hh_l0"]
    for layout, learns in ((columns, False), (sequence, True)):
        model.zero_grad(set_to_none=True)
        torch.autograd.backward(loss_of(model, *layout(name)))
        assert recurrent.grad is not None
        assert bool(recurrent.grad.any()) == learns, layout.__name__


def test_what_they_train_is_no_better_than_a_bigram(
    dinosaurs: tuple[Vocabulary, list[Ids], list[Ids]],
) -> None:
    vocabulary, train, held_out = dinosaurs
    vocab = len(vocabulary)
    assert vocab == 27
    model = fresh_model(vocab)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    train_as_the_notebook(model, train, optimizer, steps=4_000)
    floor = bigram_floor(train, vocab)
    assert floor <= nats_as_trained(model, train) <= floor + 0.1, "a bigram, well trained"
    bigram = float(count_bigram(train, vocab, endless=False).score(held_out, endless=False).mean())
    assert nats_as_trained(model, held_out) > bigram - 0.02
    assert nats_as_sampled(model, held_out) > bigram + 0.02, "its state is noise"


def test_trained_on_sequences_the_same_architecture_beats_the_bigram(
    dinosaurs: tuple[Vocabulary, list[Ids], list[Ids]], tmp_path: Path
) -> None:
    vocabulary, train, held_out = dinosaurs
    bench_file("dinos.txt")
    flags = ("--recipe", "seed-dinosaurs", "--max-steps", "1500", "--no-test")
    assert (
        main(["train", str(bench_file("dinos.txt")), "--out", str(tmp_path / "run"), *flags]) == 0
    )
    facts = read_run(tmp_path / "run")
    assert facts.vocabulary == vocabulary
    assert facts.metrics is not None
    bigram = count_bigram(train, len(vocabulary), endless=False).score(held_out, endless=False)
    assert facts.metrics["validation_nats_per_char"] < float(bigram.mean()) - 0.05


@pytest.mark.parametrize("name", ["argentina", "dinosaurs"])
def test_seed_and_best_hold_out_the_same_names(name: str) -> None:
    seed, best = RECIPES[f"seed-{name}"], RECIPES[name]
    assert (seed.dataset, seed.lowercase) == (best.dataset, best.lowercase)
