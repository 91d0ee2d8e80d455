"""The n-gram as an automaton and as a graph: the same probabilities, step by step, in all three."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charmodels.ngram.automaton import Automaton, build_automaton
from charmodels.ngram.counting import MAX_ORDER, MIN_ORDER, count
from charmodels.ngram.ngram import Ngram
from charmodels.ngram.packing import pack
from charmodels.ngram.pruning import prune
from charmodels.ngram.smoothing import smooth
from charmodels.runtime import Model, load_bundle
from charmodels.runtime.bundle import STEP, Bundle, Kind, StateSpec, write_bundle
from charmodels.runtime.sampling import Sampling
from charmodels.runtime.vocabulary import Vocabulary
from export.ngram_graph import build_ngram_graph
from export.parity import prove
from export.step_graph import OPSET
from tests.runs import write_names, write_text
from tests.tiny import write_golden

ORDERS = range(MIN_ORDER, MAX_ORDER + 1)


def learn(folder: Path, kind: Kind, order: int) -> tuple[Ngram, Vocabulary]:
    path = write_names(folder) if kind == "names" else write_text(folder)
    text = path.read_text(encoding="utf-8")
    records = text.splitlines() if kind == "names" else [text]
    vocabulary = Vocabulary.of(records)
    ids = [vocabulary.encode(record) for record in records]
    counts = count(ids, len(vocabulary), order=order, endless=kind == "text")
    return pack(smooth(counts, order), 10**9).ngram, vocabulary


def write_ngram(folder: Path, kind: Kind, order: int, automaton: Automaton | None = None) -> Path:
    """A bundle whose step is an n-gram and nothing else."""
    ngram, vocabulary = learn(folder, kind, order)
    bundle = Bundle(
        kind=kind,
        vocabulary=vocabulary,
        states=(StateSpec("n_0", (order - 1,), "int64"),),
        sampling=Sampling(),
        max_chars=40,
    )
    graph = build_ngram_graph(automaton or build_automaton(ngram), bundle)
    out = folder / "bundle"
    out.mkdir()
    write_bundle(out, bundle, {STEP: graph.SerializeToString()}, OPSET)
    return write_golden(out)


def assert_same(a: Ngram, b: Automaton, tokens: list[int]) -> None:
    """Two texts that differ; like every text they begin with the boundary."""
    state_a, state_b = a.initial_state(2), b.initial_state(2)
    for place, pair in enumerate(np.array([[0, *tokens], [0, *reversed(tokens)]]).T):
        said_a, state_a = a.step(pair, state_a)
        said_b, state_b = b.step(pair, state_b)
        np.testing.assert_allclose(said_a, said_b, rtol=1e-6, err_msg=f"character {place}")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["names", "text"])
def test_an_automaton_says_what_its_ngram_says(tmp_path: Path, kind: Kind, order: int) -> None:
    ngram, vocabulary = learn(tmp_path, kind, order)
    rng = np.random.default_rng(order)
    known = vocabulary.encode("Puerto Clara").tolist() if kind == "names" else []
    tokens = [*known, 0, *rng.integers(0, len(vocabulary), 60).tolist()]
    assert_same(ngram, build_automaton(ngram), tokens)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=8), min_size=1, max_size=12),
    st.integers(MIN_ORDER, 5),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.lists(st.integers(0, 4), min_size=1, max_size=20),
)
def test_they_agree_on_any_corpus(
    records: list[list[int]], order: int, endless: bool, least_nats: float, tokens: list[int]
) -> None:
    ids = [np.array(record) for record in (records[:1] if endless else records)]
    ngram = prune(smooth(count(ids, 5, order=order, endless=endless), order), least_nats)
    assert_same(ngram, build_automaton(ngram), tokens)


@pytest.mark.parametrize("order", [2, 3, 6])
@pytest.mark.parametrize("kind", ["names", "text"])
def test_the_graph_agrees_and_is_safe_to_load(tmp_path: Path, kind: Kind, order: int) -> None:
    ngram, vocabulary = learn(tmp_path, kind, order)
    model = load_bundle(write_ngram(tmp_path, kind, order))
    automaton = build_automaton(ngram)
    for proof in prove(automaton, model.step, len(vocabulary)):
        assert proof.difference.agrees, str(proof)
    written = Model(automaton, model.bundle).generate(5, seed=3, max_chars=30)
    assert model.generate(5, seed=3, max_chars=30) == written


def test_one_changed_number_is_noticed(tmp_path: Path) -> None:
    ngram, vocabulary = learn(tmp_path, "names", 4)
    right = build_automaton(ngram)
    for name in ("anywhere", "shares", "log_backoff", "leads_to", "from_nothing"):
        table = getattr(right, name).copy()
        at = int(np.flatnonzero(table)[0])
        table[at] = 0 if table.dtype == np.int64 else table[at] * 1.01
        folder = tmp_path / name
        folder.mkdir()
        wrong = load_bundle(write_ngram(folder, "names", 4, replace(right, **{name: table})))
        proofs = prove(right, wrong.step, len(vocabulary))
        assert not all(proof.difference.agrees for proof in proofs), name
