"""A text's own past as a voice beside the mixture: its state, its votes, its fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charmodels.ngram.cache import LEAST, LONGEST, MOST, PAST, Cache, count_runs, fit_votes
from charmodels.runtime.sampling import Floats
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids

VOCAB = 5
TEXTS = st.lists(st.integers(1, VOCAB - 1), min_size=1, max_size=40).map(np.array)


def slowly(text: list[int], window: int, votes: np.ndarray) -> np.ndarray:
    """The votes on what comes after a text, as the definition says them."""
    given = np.zeros(VOCAB)
    for place in range(max(0, len(text) - window), len(text) - 1):
        run = 0
        while (
            run < len(votes) - 1
            and place - run >= 0
            and text[place - run] == text[len(text) - 1 - run]
        ):
            run += 1
        given[text[place + 1]] += votes[run]
    return given * min(1.0, MOST / max(given.sum(), 1e-9))


@settings(deadline=None)
@given(TEXTS, st.integers(1, 50))
def test_a_step_gives_what_the_definition_says(text: Ids, window: int) -> None:
    votes = np.array([0.0, 0.5, 1.0, 3.0])
    cache = Cache(votes, window)
    past = cache.move(np.array([BOUNDARY_ID]), cache.initial_state()[PAST])
    for end in range(1, len(text) + 1):
        past = cache.move(text[end - 1 : end], past)
        expected = slowly(text[:end].tolist(), window, votes)
        assert cache.given(past, VOCAB)[0] == pytest.approx(expected)


@settings(deadline=None)
@given(TEXTS, st.integers(1, 50))
def test_a_whole_text_is_looked_back_on_as_step_by_step(text: Ids, window: int) -> None:
    runs = count_runs(text, window)
    votes = np.append(0.0, np.random.default_rng(0).random(LONGEST))
    cache = Cache(votes, window)
    past = cache.initial_state()[PAST]
    for place, token in enumerate(text):
        given = cache.given(past, VOCAB)[0]
        paid = runs.nats(np.full(len(text), 2.0), votes)[place]
        assert paid == pytest.approx(np.log1p(given.sum()) - np.log(np.exp(-2) + given[token]))
        past = cache.move(np.array([token]), past)


def test_a_text_is_looked_back_on_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    text = np.random.default_rng(1).integers(1, 4, 3_000)
    cache, nats = Cache(np.linspace(0.0, 0.4, LONGEST + 1), 60), np.full(3_000, 1.5)
    at_once = cache.nats(nats, text)
    monkeypatch.setattr("charmodels.ngram.cache._PIECE", 100)
    assert cache.nats(nats, text) == pytest.approx(at_once, rel=1e-12)


def test_what_the_mixture_thought_impossible_costs_no_more_than_the_step_says() -> None:
    text = np.array([1, 2, 3, 1, 2, 4])
    nats = np.array([1.0, 1.0, 1.0, 1.0, 900.0, np.inf])
    votes = fit_votes(nats, count_runs(text, 10))
    assert np.isfinite(votes).all()
    paid = Cache(votes, 10).nats(nats, text)
    assert paid[4] < 10, "it came after the same before"
    assert paid[5] == pytest.approx(-np.log(LEAST), abs=0.3)


def test_rows_are_apart_and_a_boundary_forgets() -> None:
    cache = Cache(np.array([0.0, 1.0, 2.0]), 6)
    past = cache.initial_state(2)[PAST]
    for tokens in ([1, 2], [2, 2], [1, 3]):
        past = cache.move(np.array(tokens), past)
    alone = cache.initial_state(1)[PAST]
    for token in (1, 2, 1):
        alone = cache.move(np.array([token]), alone)
    assert (past[:1] == alone).all()
    forgotten = cache.move(np.array([BOUNDARY_ID, 1]), past)
    assert not forgotten[0].any()
    assert forgotten[1].any()


def test_votes_are_fitted_to_a_text_that_repeats_itself() -> None:
    """The best votes are nearly found; they are few where nothing repeats itself."""
    rng = np.random.default_rng(0)
    words = [rng.integers(1, 20, 6) for _ in range(30)]
    text = np.concatenate([words[i] for i in rng.integers(0, 30, 300)])
    runs, nats = count_runs(text, 500), np.full(len(text), np.log(19))
    votes = fit_votes(nats, runs)
    assert votes[0] == 0

    def in_full(votes: Floats) -> float:
        came = np.exp(-nats) + runs.came @ votes
        return float((np.log1p(runs.all @ votes) - np.log(came)).mean())

    assert in_full(votes) < nats.mean() - 1.2
    for place in range(1, LONGEST + 1):
        for factor in (0.8, 1.25):
            other = votes.copy()
            other[place] *= factor
            assert in_full(other) > in_full(votes) - 5e-3
    assert in_full(votes) + 0.3 < runs.nats(nats, votes).mean() < nats.mean() - 0.5
    assert runs_cost(rng.integers(1, 20, 2_000)) < 0.01


def runs_cost(text: Ids) -> float:
    """What a cache costs where nothing repeats itself."""
    runs, nats = count_runs(text, 500), np.full(len(text), np.log(19))
    return float((runs.nats(nats, fit_votes(nats, runs)) - nats).mean())
