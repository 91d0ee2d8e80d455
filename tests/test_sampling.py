"""The next character: greedy and ties, filters at their edges, and frequencies that are right."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charmodels.runtime import SettingError
from charmodels.runtime.sampling import (
    MAX_SEED,
    Sampling,
    log_softmax,
    pick,
    pick_one,
    uniforms,
    weights,
)

GREEDY = Sampling(temperature=0.0)
MASK = 2**64 - 1


def logits_of(*probabilities):
    with np.errstate(divide="ignore"):
        return np.log(np.array([probabilities], dtype=np.float32))


def kept(logits, **settings):
    """The ids that may still be drawn."""
    return np.flatnonzero(weights(logits, Sampling(**settings))[0]).tolist()


# --- choosing ---


def test_greedy_takes_the_likeliest_and_the_lowest_id_on_ties():
    assert pick(
        np.array([[0, 3, 1], [2, 2, 2], [0, 1, 1]], np.float32), np.zeros(3), GREEDY
    ).tolist() == [1, 0, 1]


def test_greedy_passes_over_the_boundary_where_the_text_may_not_end():
    logits = np.array([[9, 1, 1]], np.float32)
    assert pick(logits, np.zeros(1), GREEDY, may_end=False).tolist() == [1]
    assert pick_one(logits, 0.0, GREEDY, may_end=False) == 1


def test_a_small_temperature_is_nearly_greedy_and_a_large_one_nearly_even():
    logits = logits_of(0.2, 0.5, 0.3)
    cold, warm = (weights(logits, Sampling(temperature=t))[0] for t in (0.01, 10.0))
    assert cold.tolist() == pytest.approx([0, 1, 0], abs=1e-9)
    assert warm.tolist() == pytest.approx([1, 1, 1], abs=0.1)


def test_temperature_divides_the_logits():
    logits = np.array([[0.0, 2.0]], np.float32)
    assert weights(logits, Sampling(temperature=2.0))[0, 0] == pytest.approx(np.exp(-1))


P = logits_of(0.1, 0.4, 0.2, 0.2, 0.1)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top_k": 1}, [1]),
        ({"top_k": 2}, [1, 2]),  # 2 and 3 tie: the lower id stays
        ({"top_k": 4}, [0, 1, 2, 3]),
        ({"top_k": 99}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.0}, [1]),  # the likeliest always stays
        ({"top_p": 0.39}, [1]),
        ({"top_p": 0.41}, [1, 2]),
        ({"top_p": 0.81}, [0, 1, 2, 3]),
        ({"min_p": 0.49}, [1, 2, 3]),
        ({"min_p": 0.51}, [1]),
        ({"min_p": 1.0}, [1]),
        ({"top_k": 3, "top_p": 0.7}, [1, 2]),  # of what top-k left: 0.4/0.8 and 0.2/0.8 make 0.75
        ({"top_k": 3, "min_p": 0.9}, [1]),
    ],
    ids=str,
)
def test_filters_keep_what_they_say(settings, expected):
    assert kept(P, **settings) == expected


def test_ties_keep_the_lowest_ids_in_a_long_row():
    """Long enough for a sort that is not stable to be found out."""
    row = np.log(np.array([[1.0, 0.5] * 64], np.float32))
    assert kept(row, top_k=3) == [0, 2, 4]
    assert kept(np.zeros((1, 128), np.float32), top_p=0.5) == list(range(64)), "half is enough"


def test_minus_infinity_forbids_an_id():
    logits = np.array([[0.0, -np.inf, 0.0]], np.float32)
    drawn = pick(logits.repeat(100, axis=0), np.linspace(0, 0.999999, 100), Sampling())
    assert sorted(set(drawn.tolist())) == [0, 2]


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_the_boundary_is_never_drawn_where_the_text_may_not_end(uniform):
    logits = logits_of(0.98, 0.01, 0.01)
    assert pick_one(logits, uniform, Sampling(), may_end=False) in (1, 2)


def test_frequencies_match_the_softmax():
    """Chi-square of 40,000 draws over 8 characters: 24.3 is exceeded once in 1,000 seeds."""
    logits = np.array([0.0, 1.0, -1.0, 2.0, 0.5, -2.0, 1.5, 0.2], np.float32)
    draws = 40_000
    uniform = uniforms(12, np.arange(draws), 0, 1)[:, 0]
    ids = pick(logits[None].repeat(draws, axis=0), uniform, Sampling())
    expected = draws * np.exp(log_softmax(logits))
    found = np.bincount(ids, minlength=len(logits))
    assert ((found - expected) ** 2 / expected).sum() < 24.3


settings_strategy = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 4.0]),
    top_k=st.integers(0, 12),
    top_p=st.floats(0, 1),
    min_p=st.floats(0, 1),
)


@given(
    logits=st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=12),
    uniform=st.floats(0, 1, exclude_max=True),
    sampling=settings_strategy,
    may_end=st.booleans(),
)
def test_one_stream_and_a_batch_pick_the_same(logits, uniform, sampling, may_end):
    row = np.array([logits], np.float32)
    batch = np.concatenate([row + 1, row, row[:, ::-1]])
    picked = pick(batch, np.array([0.1, uniform, 0.9]), sampling, may_end)
    assert pick_one(row, uniform, sampling, may_end) == picked[1]
    assert weights(row, sampling if sampling.temperature else Sampling(), may_end)[0, picked[1]] > 0


def test_a_row_of_nan_still_gives_an_id():
    logits = np.full((1, 4), np.nan, np.float32)
    assert 0 <= pick_one(logits, 0.5, Sampling()) < 4
    assert 0 <= pick(logits, np.array([0.5]), Sampling())[0] < 4


# --- settings ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", v) for v in (-0.1, 10.1, float("nan"), float("inf"))),
        *(("top_k", v) for v in (-1, 1_000_001)),
        *((name, v) for name in ("top_p", "min_p") for v in (-0.01, 1.01, float("nan"))),
    ],
)
def test_a_setting_out_of_range_is_refused(name, value):
    with pytest.raises(SettingError, match=rf"{name.replace('_', '-')} is .*; expected 0 to"):
        Sampling(**{name: value})
    with pytest.raises(SettingError):
        replace(Sampling(), **{name: value})


# --- random numbers ---


def mix(z):
    """SplitMix64's finaliser in plain integers, from the paper."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def reference_uniform(seed, row, position):
    """The documented formula, one number at a time."""
    key = mix((mix(seed) + row) & MASK)
    return (mix((key + (position + 1) * 0x9E3779B97F4A7C15) & MASK) >> 11) / 2**53


def test_the_reference_is_splitmix64():
    """The first three outputs of SplitMix64 seeded with 1234567, as published implementations."""
    state = [(1234567 + n * 0x9E3779B97F4A7C15) & MASK for n in (1, 2, 3)]
    assert [mix(z) for z in state] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_known_numbers_that_every_port_must_give():
    assert uniforms(0, np.array([0]), 0, 3)[0].tolist() == [
        0.8833108082136426,  # 0xE220A8397B1DCDAF, the first output of SplitMix64 from 0
        0.43152799704850997,
        0.026433771592597743,
    ]
    assert uniforms(7, np.array([2]), 0, 2)[0].tolist() == [0.5020329428503484, 0.846462121637662]


@given(
    seed=st.integers(0, MAX_SEED),
    row=st.integers(0, 10**6),
    position=st.integers(0, 10**5),
)
def test_a_number_depends_only_on_seed_row_and_position(seed, row, position):
    expected = reference_uniform(seed, row, position)
    assert uniforms(seed, np.array([row]), position, 1)[0, 0] == expected
    block = uniforms(seed, np.array([row + 5, row, 3]), max(0, position - 2), 9)
    assert block[1, min(2, position)] == expected
    assert 0.0 <= expected < 1.0


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(SettingError, match="seed is"):
        uniforms(seed, np.array([0]), 0, 1)


@pytest.mark.parametrize("may_end", [False, True])
@pytest.mark.parametrize("on_the_mark", [False, True])
def test_many_rows_are_drawn_as_few_are(may_end, on_the_mark):
    """Side by side they are first looked at in float32; also where a number falls on a sum."""
    rng = np.random.default_rng(5)
    for temperature in (1.0, 0.05, 0.8, 10.0):
        sampling = Sampling(temperature=temperature)
        for vocab in (2, 31, 256):
            logits = rng.standard_normal((300, vocab)) * rng.choice([0.1, 1, 20], (300, 1))
            logits = (logits + rng.choice([0, 40], (300, 1))).astype(np.float32)
            uniform = rng.random(300)
            if on_the_mark:
                sums = weights(logits, sampling, may_end).cumsum(axis=1)
                some = sums[np.arange(300), rng.integers(0, vocab, 300)]
                uniform = np.clip(some / sums[:, -1] - rng.choice([0, 1e-16]), 0, 1 - 1e-16)
            few = [
                pick(logits[i : i + 1], uniform[i : i + 1], sampling, may_end) for i in range(300)
            ]
            assert (pick(logits, uniform, sampling, may_end) == np.concatenate(few)).all()


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_p=0.9), Sampling(temperature=0.0)])
@pytest.mark.parametrize("rows", [5, 300])
def test_rows_at_one_node_draw_from_the_same_logits(sampling, rows):
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((7, 40)).astype(np.float32) * 3
    at, uniform = rng.integers(0, 7, rows), rng.random(rows)
    apart = pick(logits[at], uniform, sampling, may_end=False)
    assert pick(logits, uniform, sampling, may_end=False, at=at).tolist() == apart.tolist()
    if sampling.temperature:
        assert len(set(apart.tolist())) > 2
