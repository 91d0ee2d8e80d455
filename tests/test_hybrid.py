"""A network and an n-gram that write together: their weights, their balance, and their graph."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from charmodels.config import ModelConfig
from charmodels.models import CharModel, build_model
from charmodels.models.torch_step import TorchStep
from charmodels.ngram.automaton import build_automaton
from charmodels.ngram.cache import Cache
from charmodels.ngram.counting import count
from charmodels.ngram.hybrid import Hybrid, Read, fit_weights
from charmodels.ngram.packing import pack
from charmodels.ngram.smoothing import smooth
from charmodels.ngram.spelling import spelled
from charmodels.runtime import SettingError, load_bundle
from charmodels.runtime.balance import balanced
from charmodels.runtime.bundle import PREFILL, STEP, Bundle, StateSpec, write_bundle
from charmodels.runtime.generation import State, StepModel
from charmodels.runtime.model import Model
from charmodels.runtime.onnx_step import OnnxStep
from charmodels.runtime.sampling import Floats, Sampling, log_softmax
from charmodels.runtime.vocabulary import Vocabulary
from charmodels.training.speaker import state_specs
from export.hybrid_graph import build_hybrid_graph
from export.parity import prove, prove_prefill, written_tokens
from export.prefill_graph import build_prefill_graph
from export.step_graph import OPSET, build_step_graph
from tests.test_ngram_graph import learn
from tests.tiny import write_golden

ORDER = 4
WEIGHTS = np.array([[0.9, 0.2], [0.8, 0.3], [0.5, 0.5], [0.3, 0.8]])


def network(arch: str, vocab: int) -> CharModel:
    torch.manual_seed(2)
    config = ModelConfig(arch=arch, embedding_size=12, hidden_size=24)  # type: ignore[arg-type]
    return build_model(vocab, config).eval()


CACHE = Cache(np.array([0.0, 0.1, 0.6, 2.5]), 9)


def hybrid(folder: Path, arch: str, cache: Cache | None = None) -> tuple[Hybrid, CharModel, Bundle]:
    ngram, vocabulary = learn(folder, "names", ORDER)
    model = network(arch, len(vocabulary))
    states = [StateSpec("n_0", (ORDER - 1,), "int64"), StateSpec("mix_0", (3,), "float32")]
    if cache:
        states.append(StateSpec("past_0", (2, cache.window), "int64"))
    bundle = Bundle(
        kind="names",
        vocabulary=vocabulary,
        states=(*state_specs(model), *states),
        sampling=Sampling(),
        max_chars=40,
    )
    automaton = build_automaton(pack(ngram, 10**9).ngram)
    return Hybrid(TorchStep(model), automaton, WEIGHTS, cache), model, bundle


def ship(folder: Path, mixed: Hybrid, model: CharModel, bundle: Bundle) -> Model:
    network = build_step_graph(model, bundle)
    graph = build_hybrid_graph(network, mixed.ngram, WEIGHTS, bundle, mixed.cache)
    out = folder / "bundle"
    out.mkdir()
    write_bundle(out, bundle, {STEP: graph.SerializeToString()}, OPSET)
    return load_bundle(write_golden(out))


class Balanced:
    """A step model whose texts begin with a balance."""

    def __init__(self, model: StepModel, balance: float) -> None:
        self._model, self._balance = model, balance
        self.step = model.step

    def initial_state(self, batch: int = 1) -> State:
        return balanced(self._model.initial_state(batch), self._balance)


@pytest.mark.parametrize(("arch", "cache"), [("lstm", None), ("mingru", None), ("lstm", CACHE)])
def test_the_graph_weighs_as_the_engines_do(tmp_path: Path, arch: str, cache: Cache | None) -> None:
    mixed, model, bundle = hybrid(tmp_path, arch, cache)
    shipped = ship(tmp_path, mixed, model, bundle)
    vocab = len(bundle.vocabulary)
    for balance in (0.0, -0.4, 0.7):
        a, b = Balanced(mixed, balance), Balanced(shipped.step, balance)
        for proof in prove(a, b, vocab, steps=60, restart=True):
            assert proof.difference.agrees, f"{arch}, balance {balance}: {proof}"
    odds = [replace(mixed, weights=WEIGHTS * 1.001), Balanced(mixed, 0.001)]
    if cache:
        odds.append(replace(mixed, cache=replace(cache, votes=cache.votes * 1.001)))
    for odd in odds:
        proofs = prove(odd, shipped.step, vocab, steps=20, restart=True)
        assert not all(proof.difference.agrees for proof in proofs), "it goes unnoticed"


def test_a_cache_is_silent_at_the_ends_of_the_balance_and_speaks_between(tmp_path: Path) -> None:
    mixed, _, _ = hybrid(tmp_path, "lstm", CACHE)
    alone = replace(mixed, cache=None)
    tokens = [1, 2, 3, 1, 2, 3, 1, 2]

    def after(model: Hybrid, balance: float) -> Floats:
        state = balanced(model.initial_state(), balance)
        for token in tokens:
            logits, state = model.step(np.array([token]), state)
        return log_softmax(logits)[0]

    for balance in (-1.0, 1.0):
        assert after(mixed, balance) == pytest.approx(after(alone, balance), abs=1e-4)
    more = {b: after(mixed, b)[3] - after(alone, b)[3] for b in (-0.8, 0.0, 0.5)}
    assert more[0.0] > 1, "what came after it twice is not expected"
    assert min(more.values()) > 0


def test_a_prompt_is_looked_back_on_at_once(tmp_path: Path) -> None:
    mixed, model, bundle = hybrid(tmp_path, "lstm", CACHE)
    network = build_step_graph(model, bundle)
    step = build_hybrid_graph(network, mixed.ngram, WEIGHTS, bundle, CACHE)
    prompt = build_prefill_graph(step, bundle, forgets={"n_0": ORDER - 1})
    write_bundle(
        tmp_path,
        bundle,
        {STEP: step.SerializeToString(), PREFILL: prompt.SerializeToString()},
        OPSET,
    )
    engine = load_bundle(write_golden(tmp_path)).step
    assert isinstance(engine, OnnxStep)
    assert engine.prefill
    for proof in prove_prefill(engine, engine.prefill):
        assert proof.difference.agrees, proof


def test_the_network_s_graph_is_left_as_it_was(tmp_path: Path) -> None:
    mixed, model, bundle = hybrid(tmp_path, "lstm")
    alone = build_step_graph(model, bundle)
    before = alone.SerializeToString()
    build_hybrid_graph(alone, mixed.ngram, WEIGHTS, bundle)
    assert alone.SerializeToString() == before


def test_the_ends_of_the_balance_are_the_network_and_the_ngram(tmp_path: Path) -> None:
    mixed, model, bundle = hybrid(tmp_path, "lstm")
    shipped = ship(tmp_path, mixed, model, bundle)
    tokens = written_tokens(mixed, 40, 2)
    for balance, alone in ((-1.0, mixed.network), (1.0, mixed.ngram)):
        state, own = balanced(shipped.step.initial_state(2), balance), alone.initial_state(2)
        for token in tokens:
            said, state = shipped.step.step(token, state)
            logits, own = alone.step(token, own)
            np.testing.assert_allclose(log_softmax(said), log_softmax(logits), atol=2e-3)


def test_a_balance_changes_what_is_written_and_stays_in_memory(tmp_path: Path) -> None:
    model = ship(tmp_path, *hybrid(tmp_path, "lstm"))
    apart = {
        tuple(model.generate(20, balance=balance, temperature=1.0)) for balance in (-1, 0, 0.5, 1)
    }
    assert len(apart) == 4
    assert model.generate(20, balance=0, temperature=1.0) == model.generate(20, temperature=1.0)
    stream = model.stream("Vi", balance=1.0, max_chars=3)
    list(stream)
    np.testing.assert_array_equal(stream.memory.state["mix_0"], [[-1.0, 0.0, 1.0]])
    again = model.stream(memory=stream.memory, max_chars=1)
    np.testing.assert_array_equal(again.memory.state["mix_0"], [[0.0, 0.0, 0.0]])


def test_a_prediction_hears_the_balance_asked_for_and_keeps_the_memorys_own(
    tmp_path: Path,
) -> None:
    mixed, model, bundle = hybrid(tmp_path, "lstm")
    shipped = ship(tmp_path, mixed, model, bundle)
    network = Model(mixed.network, bundle).predict("Vi", 5)
    assert shipped.predict("Vi", 5, balance=-1.0) == [
        (character, pytest.approx(probability, rel=1e-2)) for character, probability in network
    ]
    memory = shipped.stream("Vi", balance=1.0, max_chars=0).memory
    assert shipped.predict("", 5, memory) == shipped.predict("Vi", 5, balance=1.0)
    assert shipped.predict("", 5, memory, 0.0) == shipped.predict("Vi", 5)
    assert shipped.predict("Vi", 5, balance=1.0) != shipped.predict("Vi", 5)


def test_a_model_without_an_ngram_refuses_a_balance(tmp_path: Path) -> None:
    mixed, _, bundle = hybrid(tmp_path, "lstm")
    model = Model(mixed.network, bundle)
    assert model.generate(1)
    with pytest.raises(SettingError, match=r"balance is 0\.5, but this model has no n-gram"):
        model.generate(1, balance=0.5)
    with pytest.raises(SettingError, match=r"balance is 1\.1; expected -1 to 1"):
        model.generate(1, balance=1.1)


def read_of(rows: list[tuple[list[float], list[float], int]], lengths: list[int]) -> Read:
    network_scores, ngram_scores, targets = zip(*rows, strict=True)
    return Read(
        np.array(network_scores, dtype=np.float32),
        log_softmax(np.array(ngram_scores, dtype=np.float32)).astype(np.float32),
        np.array(targets),
        np.array(lengths),
    )


SCORES = st.lists(st.floats(-6, 6, width=32), min_size=3, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SCORES, SCORES, st.integers(0, 2)), min_size=4, max_size=30))
def test_no_other_pair_costs_less(rows: list[tuple[list[float], list[float], int]]) -> None:
    read = read_of(rows, [0] * len(rows))

    def cost(pair: Floats) -> float:
        drawn = 20.0 / 2 * float(((pair - common) ** 2).sum())
        return float(read.nats(pair[None]).sum()) + drawn

    common = fit_weights(read_of(rows, [1] * len(rows)), 1)[0]  # nobody of length 0: the prior
    best = fit_weights(read, 1)[0]
    assume((common > 0).all() and (best > 0).all())
    for other in np.random.default_rng(0).normal(best, [[0.02]] * 20 + [[0.3]] * 20 + [[2]] * 20):
        assert cost(best) <= cost(other) + 1e-4 * len(rows)


def test_who_is_wrong_is_not_heard_and_the_other_is_fitted_without_it() -> None:
    right, wrong = [1.0, 0.0, 0.0], [0.0, 4.0, 0.0]
    read = read_of([(wrong, right, 0), (wrong, right, 0), (wrong, right, 2)] * 40, [0] * 120)
    weights = fit_weights(read, 1)
    assert weights[0][0] == 0 < weights[0][1]
    alone = min(float(read.nats(np.array([[0.0, b]])).sum()) for b in np.linspace(0, 6, 61))
    assert float(read.nats(weights).sum()) <= alone + 0.5, "drawn a little to the common pair"


def test_weights_follow_who_is_right() -> None:
    right, wrong, flat = [4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]
    rows = [(right, flat, 0), (wrong, flat, 0), (flat, right, 0), (flat, right, 0)] * 50
    weights = fit_weights(read_of(rows, [0, 0, 1, 1] * 50), 2)
    assert weights[0][1] < weights[1][1], "the n-gram is right after long contexts alone"
    assert (weights >= 0).all()


def test_tables_spell_their_list_and_little_else() -> None:
    names = ["ana", "anabel", "eva", "luz", "luisa"]
    vocabulary = Vocabulary.of(names)
    ids = [vocabulary.encode(name) for name in names]
    automaton = build_automaton(smooth(count(ids, len(vocabulary), order=4, endless=False), 4))
    others = ["an", "anaba", "anabe", "lu", "l", "", "luzisa", "luisabel", "evana"]
    found = spelled(automaton, [vocabulary.encode(name) for name in [*names, *others]])
    assert found[: len(names)].all()
    assert not found[len(names) :].any()
    low = build_automaton(smooth(count(ids, len(vocabulary), order=2, endless=False), 2))
    assert spelled(low, [vocabulary.encode("evana")]).all(), "one letter is little to go by"
