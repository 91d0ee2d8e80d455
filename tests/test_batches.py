"""Which characters a training step reads: all of them, moved by one, and never across records."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charmodels.models.base import IGNORE
from charmodels.training.batches import NameBatches, NameStream, TextStreams
from charmodels.training.schedule import learning_rate

CPU = torch.device("cpu")


def names(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(1, 20, size=length) for length in lengths]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=60), st.integers(1, 16))
def test_an_epoch_reads_every_name_once(lengths: list[int], batch_size: int) -> None:
    records = names(*lengths)
    batches = NameBatches(records, None, batch_size, seed=3, device=CPU)
    seen = []
    for step in range(batches.steps_per_epoch):
        batch = batches.batch(step)
        assert batch.fresh.all()
        for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            real = [target for target in targets if target != IGNORE]
            assert real[-1] == 0, "a name ends with the boundary"
            assert targets[len(real) :] == [IGNORE] * (len(targets) - len(real))
            assert inputs[: len(real)] == [0, *real[:-1]], "inputs are the targets before"
            seen.append(tuple(real[:-1]))
        assert batch.chars == int((batch.targets != IGNORE).sum())
    assert sorted(seen) == sorted(tuple(record.tolist()) for record in records)


def test_a_batch_is_a_function_of_its_number() -> None:
    records = names(*range(1, 40))
    first = NameBatches(records, None, 8, seed=0, device=CPU)
    second = NameBatches(records, None, 8, seed=0, device=CPU)
    expected = [first.batch(step) for step in range(12)]
    for step in (11, 3, 7):
        assert torch.equal(second.batch(step).targets, expected[step].targets)
    other_seed = NameBatches(records, None, 8, seed=1, device=CPU)
    assert any(
        expected[step].targets.shape != other_seed.batch(step).targets.shape
        or not torch.equal(other_seed.batch(step).targets, expected[step].targets)
        for step in range(4)
    )


def test_buckets_keep_padding_low() -> None:
    rng = np.random.default_rng(0)
    records = names(*rng.integers(1, 30, size=2_000).tolist())
    batches = NameBatches(records, None, 32, seed=0, device=CPU)
    all_batches = [batches.batch(step) for step in range(batches.steps_per_epoch)]
    cells = sum(batch.targets.numel() for batch in all_batches)
    assert sum(batch.chars for batch in all_batches) / cells > 0.9


def test_every_character_weighs_the_same() -> None:
    """A batch's mean loss times its share is its sum of losses over one number for all batches."""
    rng = np.random.default_rng(0)
    batches = NameBatches(names(*rng.integers(1, 30, size=500).tolist()), None, 16, 0, CPU)
    all_batches = [batches.batch(step) for step in range(batches.steps_per_epoch)]
    per_character = {round(batch.share / batch.chars, 12) for batch in all_batches}
    assert len(per_character) == 1
    assert sum(batch.share for batch in all_batches) == pytest.approx(batches.steps_per_epoch)


def test_counts_draw_names_more_often() -> None:
    records = names(5, 5)
    chances = np.array([0.9, 0.1])
    batches = NameBatches(records * 50, np.tile(chances / 50, 50), 100, seed=0, device=CPU)
    drawn = batches.batch(0).targets[:, :5]
    often = (drawn == torch.from_numpy(records[0])).all(dim=1).sum()
    assert 75 <= int(often) <= 99


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 3_000), st.integers(1, 40), st.integers(1, 70), st.integers(0, 5))
def test_streams_are_contiguous(length: int, rows: int, window: int, epoch: int) -> None:
    text = np.arange(1, length + 1)  # each character is its own position
    streams = TextStreams(text, rows, window, reset=0.0, seed=2, device=CPU)
    first = streams.steps_per_epoch * epoch
    before = None
    for step in range(first, first + streams.steps_per_epoch):
        batch = streams.batch(step)
        assert (batch.targets[:, 1:] - batch.targets[:, :-1] == 1).all()
        assert torch.equal(batch.inputs[:, 1:], batch.targets[:, :-1])
        if before is None:
            assert batch.fresh.all()
            assert (batch.inputs[:, 0] == 0).all(), "a fresh stream starts at the boundary"
        else:
            assert not batch.fresh.any()
            assert torch.equal(batch.inputs[:, 0], before), "the state belongs to this character"
        before = batch.targets[:, -1]
    assert batch.targets.max() <= length


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(1, 30))
def test_a_stream_of_names_reads_each_once_an_epoch(lengths: list[int], window: int) -> None:
    records = names(*lengths)
    stream = NameStream(records, window, seed=3)
    orders = []
    for epoch in range(2):
        read = [0]
        for place in range(stream.steps_per_epoch):
            batch = stream.batch(epoch * stream.steps_per_epoch + place)
            assert batch.fresh.tolist() == [place == 0]
            inputs, targets = batch.inputs[0].tolist(), batch.targets[0].tolist()
            assert inputs == [read[-1], *targets[:-1]], "inputs are the targets before"
            assert batch.chars == len(targets) <= window
            read += targets
        assert len(read) == stream.chars_per_epoch + 1
        assert read[-1] == 0
        text = "".join(chr(token) for token in read)
        orders.append([name for name in text.split("\0") if name])
    expected = sorted("".join(map(chr, record.tolist())) for record in records)
    assert sorted(orders[0]) == sorted(orders[1]) == expected
    assert len(set(expected)) < 20 or orders[0] != orders[1], "a new order each epoch"


def test_resets_forget_in_the_middle_of_a_stream() -> None:
    streams = TextStreams(np.arange(1, 5_000), 8, 16, reset=0.3, seed=0, device=CPU)
    batches = [streams.batch(step) for step in range(1, streams.steps_per_epoch)]
    share = torch.stack([batch.fresh for batch in batches]).float().mean()
    assert 0.2 < float(share) < 0.4
    for batch in batches:
        assert (batch.inputs[batch.fresh, 0] == 0).all()
        assert (batch.inputs[~batch.fresh, 0] != 0).all()


@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_the_rate_rises_then_falls_to_nothing(warmup: float) -> None:
    rates = [learning_rate(step, 100, 2.0, warmup) for step in range(100)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(2.0)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert warmup == 1.0 or rates[-1] < 0.01
