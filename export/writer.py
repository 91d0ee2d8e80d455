"""From a run folder to a bundle folder, proven before it is renamed into place."""

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from charmodels.corpus.splitting import Split
from charmodels.evaluation.report import read_evaluation
from charmodels.models import CharModel
from charmodels.runtime.bundle import (
    GENERATE,
    PREFILL,
    SAMPLE,
    WEIGHTS,
    Bundle,
    Golden,
    WeightsFile,
    sha256_of,
    variant_file,
    write_bundle,
)
from charmodels.runtime.errors import BundleError, RunError
from charmodels.runtime.generation import StepModel
from charmodels.runtime.model import Model, load_bundle
from charmodels.runtime.onnx_step import OnnxStep
from charmodels.runtime.verify import MAX_BYTES
from charmodels.training.checkpoint import (
    RunFacts,
    read_model,
    read_run,
    weights_of,
    write_tensors,
)
from charmodels.training.mixing import Expert, read_expert
from charmodels.training.speaker import speaking_model, speaking_ngram
from export.check import check_bundle
from export.generate_graph import build_generate_graph
from export.hybrid_graph import build_hybrid_graph
from export.kernels import kernels_of
from export.learned import given_away, learned
from export.ngram_graph import build_ngram_graph
from export.parity import prove, prove_prefill, written_tokens
from export.prefill_graph import build_prefill_graph
from export.sample_graph import build_sample_graph
from export.step_graph import OPSET, build_step_graph
from export.variants.held_out import held_out
from export.variants.make import make_variants
from export.written import prove_written, write_by_generate, write_by_sample

GRAPHS = ("step", "prefill", "sample", "generate")
"""What may be asked for; the step always."""

SMALL_PREFILL = 1 << 20
"""Bytes. It holds the weights a second time: up to here that is worth the wait it saves."""

_GOLDEN_STEPS = 32


def export_run(
    run: Path,
    out: Path,
    *,
    force: bool = False,
    weights: bool = True,
    ngram: bool = True,
    network: bool = True,
    membership: bool = True,
    split: Split | None = None,
    graphs: Sequence[str] | None = None,
    variants: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> Path:
    """Write the bundle of a run's best model; nothing appears at `out` unless parity holds.

    Args:
        run: the run folder.
        out: the bundle's folder, which must not exist unless `force`.
        force: replace a bundle that is there.
        weights: add the trainable weights (float16), so that others can train on from the bundle.
        ngram: weigh the run's n-gram with the network, where it has one; without it the bundle
            knows no record by heart that the network does not.
        network: without it the bundle is the run's n-gram alone, which it must have.
        membership: for names, add the filter that tells whether the run has read a name.
        split: of the run's corpus, where that is in no file to be read again for the filter.
        graphs: which of GRAPHS to write; without, the step, and the prompt's where it is small.
        variants: smaller ones to write beside step.onnx, of `export.variants.VARIANTS`; those
            that stray too far from it on held-out text are refused, and the others written.
        report: told each line of the parity table, then the table of the variants.

    Raises:
        RunError: the run is missing or unfinished, or its corpus changed and is to be judged on.
        CorpusError: the corpus to judge variants on is gone.
        BundleError: `out` is in the way, or the engines disagree.
    """
    _refuse_to_overwrite(out, force)
    facts = read_run(run)
    model = read_model(run, facts) if network else None
    expert = read_expert(run, len(facts.vocabulary))
    evaluation = read_evaluation(run)
    if expert and not ngram:
        facts, expert, evaluation = of_network_alone(facts), None, {}
    if model:
        trained = speaking_model(facts, model, expert)
    elif expert:
        facts, evaluation = of_ngram_alone(facts), {}
        trained = speaking_ngram(facts, expert)
    else:
        raise RunError(f"{run} has no n-gram; train with --ngram auto, or export its network")
    text = held_out(facts, trained.step) if variants else None  # first: its corpus may be gone
    bundle = describe(facts, trained, model, evaluation)
    if expert and "spelled_share" not in bundle.metrics:  # not evaluated: its card must say it
        bundle = replace(bundle, metrics={**bundle.metrics, **given_away(facts, trained, split)})
    if membership:
        bundle = replace(bundle, membership=learned(facts, trained, report, split))
    step_graph = _build_step(model, expert, bundle)
    files = _write_graphs(graphs, step_graph, model, expert, bundle)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        write_bundle(aside, bundle, files, OPSET)
        shipped = load_bundle(aside, trusted=True)  # our own, and not yet proven
        prove_parity(trained.step, shipped, report)
        prove_further_graphs(aside, shipped, files, report)
        golden = make_golden(shipped)
        bundle = replace(bundle, golden=golden)
        if text:
            judged = make_variants(step_graph, shipped.step, variants, text, golden, aside, report)
            bundle = replace(bundle, variants=judged)
            kept = [variant_file(name) for name, each in judged.items() if each.accepted]
            files |= {name: (aside / name).read_bytes() for name in kept}
        if weights and model:
            bundle = replace(bundle, weights=_write_weights(aside / WEIGHTS, facts, model))
        write_bundle(aside, bundle, files, OPSET)
        is_checkable = max(len(graph) for graph in files.values()) <= MAX_BYTES
        check_bundle(aside, trusted=not is_checkable)
        if not is_checkable:
            report(f"larger than {MAX_BYTES:,} bytes: opens by load_bundle(..., trusted=True) only")
        aside.chmod(0o755)
        _put_in_place(aside, out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out


def _build_step(model: CharModel | None, expert: Expert | None, bundle: Bundle) -> onnx.ModelProto:
    """The step of the network, of the n-gram, or of both."""
    if model is None:
        assert expert
        return build_ngram_graph(expert.ngram, bundle)
    network = build_step_graph(model, bundle)
    if expert is None:
        return network
    return build_hybrid_graph(network, expert.ngram, expert.weights, bundle, expert.cache)


def _write_graphs(
    wanted: Sequence[str] | None,
    step: onnx.ModelProto,
    model: CharModel | None,
    expert: Expert | None,
    bundle: Bundle,
) -> dict[str, bytes]:
    """The graphs of a bundle by their file names; a prompt's only if it is asked for or small."""
    forgets = {"n_0": expert.ngram.order - 1} if expert else {}
    kernels = kernels_of(model, step) if model else []
    build: dict[str, Callable[[], onnx.ModelProto]] = {
        "step": lambda: step,
        "prefill": lambda: build_prefill_graph(step, bundle, kernels=kernels, forgets=forgets),
        "sample": lambda: build_sample_graph(step, bundle),
        "generate": lambda: build_generate_graph(step, bundle),
    }
    names = wanted or ("step", "prefill")
    files = {f"{name}.onnx": build[name]().SerializeToString() for name in names}
    if not wanted and len(files[PREFILL]) > SMALL_PREFILL:
        del files[PREFILL]
    return files


def of_network_alone(facts: RunFacts) -> RunFacts:
    """The facts of a run as if it had no n-gram: the network's own figures, and no other."""
    metrics = dict(facts.metrics or {})
    metrics.pop("uncached_nats_per_char", None)
    if (own := metrics.pop("network_nats_per_char", None)) is not None:
        metrics["nats_per_char"] = own
    if "bits_per_char" in metrics:
        metrics["bits_per_char"] = round(metrics["nats_per_char"] / math.log(2), 5)
    of_expert = ("expert_", "ngram_", "mixed_")
    kept = {name: value for name, value in metrics.items() if not name.startswith(of_expert)}
    return replace(facts, training=replace(facts.training, ngram="none"), metrics=kept)


def of_ngram_alone(facts: RunFacts) -> RunFacts:
    """The facts of a run as if it had no network: what was counted, and no other's figures."""
    of_expert = ("expert_", "ngram_")
    metrics = {k: v for k, v in (facts.metrics or {}).items() if k.startswith(of_expert)}
    metrics.pop("expert_cache_chars", None)
    return replace(facts, metrics=metrics)


def describe(
    facts: RunFacts, trained: Model, model: CharModel | None, evaluation: dict[str, Any]
) -> Bundle:
    """What the bundle says of its model and of where it comes from; no network, an n-gram alone."""
    bundle = trained.bundle
    corpus = facts.corpus  # named one by one: its source, a path of the maker's machine, stays
    about: dict[str, Any] = {
        k: corpus[k] for k in ("title", "language", "licence", "credit") if k in corpus
    }
    provenance: dict[str, Any] = {
        "dataset": corpus["name"],
        "dataset_sha256": corpus["sha256"],
        "lowercase": corpus.get("lowercase") is True,
        **about,
        "recipe": facts.recipe,
        "seed": facts.training.seed,
        "started_from": Path(facts.started_from).name if facts.started_from else None,
        "split": dict(facts.split),
        "model": asdict(facts.model) if model else {"arch": "ngram"},
        "versions": dict(facts.versions),
    }
    metrics = facts.metrics or ({"parameters": model.parameter_count()} if model else {})
    measured: dict[str, Any] = {**metrics, **evaluation}
    return replace(bundle, provenance=provenance, metrics=measured)


def prove_parity(torch_step: StepModel, shipped: Model, report: Callable[[str], None]) -> None:
    """Compare torch and the shipped graph over the whole vocabulary and 200 steps of its own text.

    Text carries its state all the way; names begin again from zero at each boundary, as they do
    in use.

    Raises:
        BundleError: they disagree by more than the tolerance.
    """
    vocab, names = len(shipped.vocabulary), not shipped.endless
    proofs = list(prove(torch_step, shipped.step, vocab, restart=names))
    beyond = list(prove(torch_step, shipped.step, vocab)) if names else []
    for proof in proofs:
        report(str(proof))
    if not all(proof.difference.agrees for proof in beyond):
        report("(carried past the end of names, which never happens in use, they stray apart)")
    elif names:
        worst = max(proof.difference.scaled for proof in beyond)
        report(f"carried past the end of names, 200 steps: worst {worst:.1e} scaled  agrees")
    wrong = [proof for proof in proofs if not proof.difference.agrees]
    if wrong:
        raise BundleError(
            f"torch and onnxruntime disagree, nothing was written: {wrong[0]}; a model that "
            "learned too fast magnifies every rounding: train again longer, with a lower "
            "--learning-rate or a higher --weight-decay"
        )


def prove_further_graphs(
    folder: Path, shipped: Model, files: Mapping[str, bytes], report: Callable[[str], None]
) -> None:
    """Hold a prompt's graph to the steps, and the graphs that choose to the runtime's own text.

    Raises:
        BundleError: they disagree.
    """
    step = shipped.step
    assert isinstance(step, OnnxStep)
    if step.prefill:
        proofs = list(prove_prefill(step, step.prefill, restart=not shipped.endless))
        worst = max(proofs, key=lambda proof: proof.difference.scaled)
        report(f"{PREFILL}, {len(proofs)} comparisons with steps, the worst: {worst}")
        if not worst.difference.agrees:
            raise BundleError(f"{PREFILL} and the steps disagree, nothing was written: {worst}")
    if SAMPLE in files:
        report(prove_written(folder / SAMPLE, shipped, write_by_sample))
    if GENERATE in files:
        report(prove_written(folder / GENERATE, shipped, write_by_generate))


def _write_weights(path: Path, facts: RunFacts, model: CharModel) -> WeightsFile:
    """The trainable weights in float16, with the model's sizes in the file itself."""
    halves = {name: value.half() for name, value in weights_of(model).items()}
    write_tensors(path, halves, {"model": asdict(facts.model)})
    path.chmod(0o644)
    return WeightsFile(sha256=sha256_of(path), bytes=path.stat().st_size)


def make_golden(model: Model) -> Golden:
    """A short walk that anyone can repeat, and the logits at its end."""
    tokens = written_tokens(model.step, _GOLDEN_STEPS, 1)[:, 0]  # no boundary after the first
    state = model.step.initial_state()
    for token in tokens:
        logits, state = model.step.step(np.array([token]), state)
    return Golden(tokens=tuple(tokens.tolist()), logits=tuple(logits[0].tolist()))


def _refuse_to_overwrite(out: Path, force: bool) -> None:
    if not out.exists():
        return
    if not force:
        raise BundleError(f"{out} exists; choose another --out, or replace it with --force")
    if not (out / "bundle.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BundleError(f"{out} exists and is no bundle; --force replaces only bundles")


def _put_in_place(aside: Path, out: Path) -> None:
    """Rename; an old bundle steps aside first and is removed last."""
    if not out.exists():
        aside.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old / out.name)
    aside.rename(out)
    shutil.rmtree(old)
