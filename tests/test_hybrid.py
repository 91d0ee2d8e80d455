"""A network and an n-gram that write together: the mixture, its weight, and its graph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charmodels.config import ModelConfig
from charmodels.models import CharModel, build_model
from charmodels.models.torch_step import TorchStep
from charmodels.ngram.automaton import build_automaton
from charmodels.ngram.mixture import Mixture, fit_weight, mix_nats
from charmodels.runtime import load_bundle
from charmodels.runtime.bundle import STEP, Bundle, StateSpec, write_bundle
from charmodels.runtime.generation import score_ids
from charmodels.runtime.sampling import Sampling, log_softmax
from charmodels.training.train import state_specs
from export.hybrid_graph import build_hybrid_graph
from export.parity import prove, written_tokens
from export.step_graph import OPSET, build_step_graph
from tests.test_ngram_graph import learn

ORDER = 4


def network(arch: str, vocab: int) -> CharModel:
    torch.manual_seed(2)
    config = ModelConfig(arch=arch, embedding_size=12, hidden_size=24)  # type: ignore[arg-type]
    return build_model(vocab, config).eval()


def mixture(folder: Path, arch: str, weight: float) -> tuple[Mixture, CharModel, Bundle]:
    ngram, vocabulary = learn(folder, "names", ORDER)
    model = network(arch, len(vocabulary))
    bundle = Bundle(
        kind="names",
        vocabulary=vocabulary,
        states=(*state_specs(model), StateSpec("n_0", (ORDER - 1,), "int64")),
        sampling=Sampling(),
        max_chars=40,
    )
    return Mixture(TorchStep(model), build_automaton(ngram), weight), model, bundle


@pytest.mark.parametrize("arch", ["lstm", "mingru"])
def test_the_graph_mixes_as_the_engines_do(tmp_path: Path, arch: str) -> None:
    mixed, model, bundle = mixture(tmp_path, arch, 0.4)
    alone = build_step_graph(model, bundle)
    before = alone.SerializeToString()
    graph = build_hybrid_graph(alone, mixed.ngram, 0.4, bundle)
    assert alone.SerializeToString() == before
    out = tmp_path / "bundle"
    out.mkdir()
    write_bundle(out, bundle, {STEP: graph.SerializeToString()}, OPSET)
    shipped = load_bundle(out)
    vocab = len(bundle.vocabulary)
    for proof in prove(mixed, shipped.step, vocab, restart=True):
        assert proof.difference.agrees, f"{arch}: {proof}"
    other = Mixture(mixed.network, mixed.ngram, 0.41)
    proofs = prove(other, shipped.step, vocab, restart=True)
    assert not all(proof.difference.agrees for proof in proofs), "another weight goes unnoticed"


def test_its_ends_are_the_network_and_the_ngram(tmp_path: Path) -> None:
    mixed, _, _ = mixture(tmp_path, "lstm", 0.5)
    tokens = written_tokens(mixed, 40, 2)
    ends = Mixture(mixed.network, mixed.ngram, 0.0), Mixture(mixed.network, mixed.ngram, 1.0)
    for end, alone in zip(ends, (mixed.network, mixed.ngram), strict=True):
        state, own = end.initial_state(2), alone.initial_state(2)
        for token in tokens:
            said, state = end.step(token, state)
            logits, own = alone.step(token, own)
            np.testing.assert_allclose(said, log_softmax(logits), atol=1e-5)


def test_its_price_is_the_mixture_of_both_prices(tmp_path: Path) -> None:
    mixed, _, bundle = mixture(tmp_path, "gru", 0.3)
    ids = np.array([*bundle.vocabulary.encode("Villa Luz"), 0])
    network_nats, ngram_nats = (score_ids(each, ids) for each in (mixed.network, mixed.ngram))
    expected = mix_nats(network_nats, ngram_nats, 0.3)
    np.testing.assert_allclose(score_ids(mixed, ids), expected, rtol=1e-5)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.01, 12), st.floats(0.01, 12)), min_size=2, max_size=40, unique=True
    )
)
def test_no_other_weight_costs_less(prices: list[tuple[float, float]]) -> None:
    network_nats, ngram_nats = (np.array(each) for each in zip(*prices, strict=True))
    best = fit_weight(network_nats, ngram_nats)
    least = mix_nats(network_nats, ngram_nats, best).sum()
    for weight in np.linspace(0, 1, 101):
        assert least <= mix_nats(network_nats, ngram_nats, weight).sum() + 1e-9
