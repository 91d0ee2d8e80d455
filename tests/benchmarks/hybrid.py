"""What the n-gram costs at every character: the hybrid's step against its network's, batch 1.

An n-gram of order 7 over the text of Shakespeare's tragedies that ships, pruned to 4 MB; LSTM 256,
and the network that is the default for text; weights as they start, for every step does the same.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from charmodels.config import ModelConfig
from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.models import build_model
from charmodels.ngram.automaton import build_automaton
from charmodels.ngram.cache import LONGEST, Cache
from charmodels.ngram.counting import count
from charmodels.ngram.packing import pack
from charmodels.ngram.smoothing import smooth
from charmodels.recipes import TEXT
from charmodels.runtime.bundle import Bundle
from charmodels.runtime.generation import walk
from charmodels.runtime.onnx_step import OnnxStep, open_session
from charmodels.runtime.sampling import Sampling
from charmodels.runtime.vocabulary import Vocabulary
from charmodels.training.speaker import state_specs
from export.hybrid_graph import build_hybrid_graph
from export.step_graph import build_step_graph
from tests.benchmarks.rows import Row
from tests.benchmarks.speed import ratio

ORDER, BYTES = 7, 4_000_000
CHARS, ROUNDS = 200, 41
VOTES = np.linspace(0, 1, LONGEST + 1)
NETWORKS = {"LSTM 256": ModelConfig(hidden_size=256), "text's default": TEXT.model}


def rows() -> list[Row]:
    """Medians over rounds in which both take turns, reading held-out text."""
    corpus = open_corpus("shakespeare_tragedies")
    split, vocabulary = split_corpus(corpus), Vocabulary.of(corpus.records)
    train = [vocabulary.encode(split.train[0])]
    counts = count(train, len(vocabulary), order=ORDER, endless=True)
    packed = pack(smooth(counts, ORDER), BYTES)
    automaton = build_automaton(packed.ngram)
    read = vocabulary.encode(split.validation[0])
    found = []
    for name, config in NETWORKS.items():
        torch.manual_seed(0)
        model = build_model(len(vocabulary), config).eval()
        bundle = Bundle("text", vocabulary, state_specs(model), Sampling(), CHARS)
        network = build_step_graph(model, bundle)
        halves = np.full((ORDER, 2), 0.5)
        hybrid, whole = (
            build_hybrid_graph(network, automaton, halves, bundle, cache)
            for cache in (None, Cache(VOTES, TEXT.training.cache))
        )
        with tempfile.TemporaryDirectory() as folder:
            steps = []
            for graph in (network, hybrid, whole):
                path = Path(folder) / f"{len(steps)}.onnx"
                path.write_bytes(graph.SerializeToString())
                steps.append(OnnxStep(open_session(path)))
            walkers = [walk(step, step.initial_state()) for step in steps]
            micros: list[list[float]] = [[], [], []]
            for number in range(ROUNDS):
                piece = read[number * CHARS : (number + 1) * CHARS, None]
                for walker, taken in zip(walkers, micros, strict=True):
                    start = time.perf_counter()
                    for token in piece:
                        walker.advance(token)
                    taken.append((time.perf_counter() - start) / CHARS * 1e6)
        alone = statistics.median(micros[0])
        found += [
            Row(
                name=f"step with {what} / {name} alone",
                value=ratio(taken, micros[0]),
                unit="x",
                limit=2.5,
                note=f"{statistics.median(taken):.0f} against {alone:.0f} us; order {ORDER}, "
                f"{packed.bytes / 1e6:.2f} MB, {len(graph.graph.node)} nodes against "
                f"{len(network.graph.node)}",
            )
            for what, graph, taken in (
                ("n-gram", hybrid, micros[1]),
                ("n-gram and its own past", whole, micros[2]),
            )
        ]
    return found
